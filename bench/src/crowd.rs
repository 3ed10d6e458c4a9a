//! Scenarios with many simulated agents: fan-out, return after a lost server, memory.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use synod_domain::event::{Event, types};
use synod_protocol::http::client::with_query;
use synod_protocol::http::event::EventQuery;
use synod_protocol::http::run::Run;
use synod_worker::Clock;

use crate::fleet::{AGREED, API, DIRECT, Fleet, approve, ask};
use crate::place;
use crate::report::{Figure, Goal, figure, quantile};
use crate::scenarios::all_succeeded;
use crate::watch;

/// One run on every simulated agent; seconds from the granting approval until every result is recorded and readable.
async fn spread(fleet: &Fleet, agents: usize) -> Result<f64> {
    let (bob, carol, dave, alice) = (fleet.person("bob")?, fleet.person("carol")?, fleet.person("dave")?, fleet.person("alice")?);
    let run = ask(&dave, AGREED, "").await?;
    approve(&bob, &run).await?;
    // So that connecting is not part of what is measured.
    let _: serde_json::Value = carol.get(&format!("{API}/auth/whoami")).await?;
    let id = run.summary.id.clone();
    let follower = tokio::spawn(async move { watch::end(&alice, &id).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let sent = Instant::now();
    approve(&carol, &run).await?;
    follower.await??;
    all_succeeded(&dave, &run.summary.id, agents).await?;
    Ok(sent.elapsed().as_secs_f64())
}

/// What a fan-out cost the server, while the log took in what it recorded: processor seconds and events.
async fn cost(fleet: &Fleet, agents: usize) -> Result<(f64, f64, u64)> {
    let alice = fleet.person("alice")?;
    let (before, from) = (place::cpu(fleet.server_pid()?)?, watch::last_position(&alice).await?);
    let took = spread(fleet, agents).await?;
    let last = watch::last_position(&alice).await?;
    // The log is a third of a second behind; what it costs belongs to the fan-out.
    let logged = async {
        while alice.get::<serde_json::Value>(&format!("{API}/audit/proofs/{last}")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), logged).await.context("the log does not take in what was recorded")?;
    let after = place::cpu(fleet.server_pid()?)?;
    Ok((took, after.stat_s - before.stat_s, last - from))
}

/// One run on 1,000 and on 10,000 agents. `log_cost` is what an event costs the log, in processor seconds, where that is known.
pub async fn fanout(fleet: &mut Fleet, quick: bool, log_cost: Option<f64>) -> Result<Vec<Figure>> {
    let (sizes, repeats) = if quick { ([100, 1000], 3) } else { ([1000, 10_000], 7) };
    let mut figures = Vec::new();
    let mut groups = Vec::new();
    let mut each = Vec::new();
    let mut present = 0;
    for (n, size) in sizes.into_iter().enumerate() {
        let mut group = fleet.simulate(&format!("sim{n}"), size - present).await?;
        #[allow(clippy::cast_precision_loss)]
        let rate = group.count as f64 / group.enrolled_in.max(1e-9);
        group.connect().await?;
        groups.push(group);
        present = size;
        fleet.connected(size).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (mut samples, mut overhead) = (Vec::new(), Vec::new());
        for repeat in 0..=repeats {
            let (took, cpu, events) = cost(fleet, size).await?;
            if repeat > 0 {
                samples.push(took);
                // Against the same fan-out without a log.
                #[allow(clippy::cast_precision_loss)]
                overhead.extend(log_cost.map(|each| each * events as f64).map(|log| log / (cpu - log).max(1e-9) * 100.0));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        #[allow(clippy::cast_precision_loss)]
        let per_agent: Vec<f64> = samples.iter().map(|s| s / size as f64 * 1e6).collect();
        each.push(quantile(&per_agent, 0.5));
        let goal = if size == 10_000 { Goal::AtMost(2.5) } else { Goal::None };
        figures.push(figure(&format!("one run on {size} simulated agents"), "s", goal, samples));
        figures.push(figure(&format!("the same, per agent at {size}"), "us", Goal::None, per_agent));
        if !overhead.is_empty() {
            figures.push(figure(&format!("the audit log's share of processor time at {size}"), "%", Goal::AtMost(10.0), overhead));
        }
        figures.push(figure(&format!("enrolment of {}", groups.last().map_or(0, |g| g.count)), "/s", Goal::None, vec![rate]));
    }
    figures.push(figure(&format!("per agent at {} against {}", sizes[1], sizes[0]), "x", Goal::AtMost(1.0), vec![each[1] / each[0]]));
    for group in groups {
        group.stop().await;
    }
    Ok(figures)
}

/// All agents come back after the server was killed and started again.
pub async fn reconnect(fleet: &mut Fleet, quick: bool) -> Result<Vec<Figure>> {
    let (agents, repeats) = if quick { (100, 2) } else { (1000, 5) };
    let mut simulated = fleet.simulate("sim", agents).await?;
    simulated.connect().await?;
    let (mut served, mut connected, mut heard, mut listening) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..repeats {
        fleet.connected(agents).await?;
        // Presence is written in batches; the backoff of all has to be at its beginning.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let after = watch::last_position(&fleet.person("alice")?).await?;
        let killed_at = Clock::system().now();
        let (killed, started) = fleet.kill_and_restart().await?;
        let up = fleet.back().await?;
        let (alice, dave) = (fleet.person("alice")?, fleet.person("dave")?);
        let query = EventQuery { kind: Some(types::NODE_CONNECTED.into()), follow: true, after: Some(after), limit: Some(1000), ..EventQuery::default() };
        let come = async {
            let mut stream = alice.events(&with_query(&format!("{API}/events"), &query), None).await?;
            let mut seen = HashSet::new();
            while let Some(sse) = stream.next().await? {
                seen.insert(serde_json::from_str::<Event>(&sse.data)?.subject);
                if seen.len() == agents {
                    return Ok(Instant::now());
                }
            }
            bail!("the stream of events ended after {} agents", seen.len())
        };
        let come = async { tokio::time::timeout(Duration::from_secs(120), come).await.map_err(|_| anyhow!("not all agents come back within 120 s"))? };
        // Served again is who gets work and whose result is recorded: one run on all, requested at once.
        let serve = async {
            let run = ask(&dave, DIRECT, "").await?;
            watch::end(&dave, &run.summary.id).await?;
            let told = Instant::now();
            all_succeeded(&dave, &run.summary.id, agents).await?;
            let run: Run = dave.get(&format!("{API}/runs/{}", run.summary.id)).await?;
            let ended = run.summary.finished_at.context("the run has no end")?;
            anyhow::Ok((told, ended))
        };
        let (all_here, (told, ended)) = tokio::try_join!(come, serve)?;
        // A stream may tell late (it waits for the sealer's lease on PostgreSQL): the recorded end counts, by the one
        // clock of this machine.
        #[allow(clippy::cast_precision_loss)]
        let recorded = ended.since(killed_at) as f64 / 1e3;
        served.push(recorded);
        heard.push((told - killed).as_secs_f64());
        connected.push((all_here - killed).as_secs_f64());
        listening.push((up - started).as_secs_f64());
    }
    simulated.stop().await;
    let goal = if quick { Goal::None } else { Goal::AtMost(3.0) };
    Ok(vec![
        figure(&format!("{agents} agents: kill -> a run on all is recorded"), "s", goal, served),
        figure("kill -> that run's end is told by a stream", "s", Goal::None, heard),
        figure("kill -> every agent's connected event is told", "s", Goal::None, connected),
        figure("new process -> answers", "s", Goal::None, listening),
    ])
}

/// What a connected agent costs the server.
pub async fn memory(fleet: &mut Fleet, quick: bool) -> Result<Vec<Figure>> {
    let (agents, settle, beats) = if quick { (500, 3, 3) } else { (5000, 10, 35) };
    let mut simulated = fleet.simulate("sim", agents).await?;
    // A fresh process: what enrolment left behind is not the base.
    fleet.kill_and_restart().await?;
    fleet.back().await?;
    fleet.connected(0).await?;
    tokio::time::sleep(Duration::from_secs(settle)).await;
    let pid = fleet.server_pid()?;
    let base = place::memory(pid)?;
    simulated.connect().await?;
    fleet.connected(agents).await?;
    // Two rounds of heartbeats.
    tokio::time::sleep(Duration::from_secs(beats)).await;
    let full = place::memory(pid)?;
    spread(fleet, agents).await?;
    tokio::time::sleep(Duration::from_secs(settle)).await;
    let worked = place::memory(pid)?;
    simulated.stop().await;
    #[allow(clippy::cast_precision_loss)]
    let each = |with: u64, without: u64| vec![(with as f64 - without as f64) / agents as f64];
    #[allow(clippy::cast_precision_loss)]
    let mib = |kib: u64| vec![kib as f64 / 1024.0];
    Ok(vec![
        figure(&format!("RSS per agent at {agents}, beyond the base"), "KiB", Goal::AtMost(48.0), each(full.rss_kib, base.rss_kib)),
        figure("PSS per agent, beyond the base", "KiB", Goal::None, each(full.pss_kib, base.pss_kib)),
        figure("RSS per agent after a run on all", "KiB", Goal::None, each(worked.rss_kib, base.rss_kib)),
        figure("base, RSS", "MiB", Goal::None, mib(base.rss_kib)),
        figure("base, PSS", "MiB", Goal::None, mib(base.pss_kib)),
        figure(&format!("with {agents} agents, RSS"), "MiB", Goal::None, mib(full.rss_kib)),
    ])
}
