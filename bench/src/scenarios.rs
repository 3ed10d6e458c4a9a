//! Scenarios on one node or few: how soon, how many after another, how many at once, and what it costs.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use synod_domain::task::Phase;
use synod_protocol::http::client::Client;
use synod_protocol::http::run::Run;
use synod_protocol::http::task::Task;

use crate::fleet::{AGREED, API, DIRECT, Fleet, NAMESPACE, approve, ask, password};
use crate::place;
use crate::report::{Figure, Goal, figure, quantile};
use crate::watch::Watcher;

pub(crate) fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// Reads the one task of a run and holds it to having succeeded.
async fn result(client: &Client, run: &str) -> Result<()> {
    let task: Task = client.get(&format!("{API}/tasks/{run}.0")).await?;
    ensure!(task.phase == Phase::Succeeded, "task {run}.0 is {}: {}", task.phase, task.reason);
    Ok(())
}

/// Holds a run to having succeeded on so many nodes.
pub(crate) async fn all_succeeded(client: &Client, run: &str, nodes: usize) -> Result<()> {
    let run: Run = client.get(&format!("{API}/runs/{run}")).await?;
    ensure!(run.tasks.succeeded as usize == nodes, "run {} is {} with {:?}", run.summary.id, run.summary.phase, run.tasks);
    Ok(())
}

/// Lone: one node, one run at a time, two approvals; the clock runs from the second one.
pub async fn lone(fleet: &mut Fleet, postgres: bool, quick: bool) -> Result<Vec<Figure>> {
    let (warm, count) = if quick { (5, 30) } else { (50, 500) };
    fleet.start_agents("real", 1).await?;
    let (bob, carol, dave) = (fleet.person("bob")?, fleet.person("carol")?, fleet.person("dave")?);
    let watcher = Watcher::start(fleet.person("alice")?).await?;
    let (mut all, mut after, mut event, mut post) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in 0..warm + count {
        let run = ask(&dave, AGREED, "").await?;
        approve(&bob, &run).await?;
        let id = &run.summary.id;
        let sent = Instant::now();
        let grant = async {
            approve(&carol, &run).await?;
            anyhow::Ok(Instant::now())
        };
        let outcome = async {
            let came = watcher.success(id).await?;
            result(&dave, id).await?;
            anyhow::Ok((came, Instant::now()))
        };
        let (answered, (came, read)) = tokio::try_join!(grant, outcome)?;
        if n >= warm {
            all.push(ms(read - sent));
            after.push(ms(read.saturating_duration_since(answered)));
            event.push(ms(came - sent));
            post.push(ms(answered - sent));
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let goal = Goal::AtMost(if postgres { 4.0 } else { 3.0 });
    let probed = probe(&bob, &carol, &dave, &watcher, quantile(&event, 0.5), count).await?;
    Ok(vec![
        figure("approval sent -> result read", "ms", goal, all),
        figure("approval sent -> result read, by single probes", "ms", goal, vec![probed]),
        figure("approval answered -> result read", "ms", Goal::None, after),
        figure("approval sent -> event received", "ms", Goal::None, event),
        figure("approval sent -> approval answered", "ms", Goal::None, post),
    ])
}

/// When the result is readable, without a stream that would have to tell: each run is asked for its result once only,
/// after a delay that is made shorter when it was there and longer when it was not (up-and-down method). The delay
/// settles where the result is there half the time: the median. To it comes the median time that reading took.
async fn probe(bob: &Client, carol: &Client, dave: &Client, watcher: &Watcher, begin_ms: f64, count: usize) -> Result<f64> {
    let mut delay = begin_ms;
    let mut step = begin_ms / 4.0;
    let mut before: Option<bool> = None;
    let (mut asked, mut took) = (Vec::new(), Vec::new());
    for n in 0..count {
        let run = ask(dave, AGREED, "").await?;
        approve(bob, &run).await?;
        let id = &run.summary.id;
        let sent = Instant::now();
        let until = sent + Duration::from_secs_f64(delay / 1e3);
        let look = async {
            // tokio's timer counts whole milliseconds.
            tokio::task::spawn_blocking(move || std::thread::sleep(until.saturating_duration_since(Instant::now()))).await?;
            let begun = Instant::now();
            let there = result(dave, id).await.is_ok();
            anyhow::Ok((ms(begun - sent), ms(begun.elapsed()), there))
        };
        let grant = async { approve(carol, &run).await };
        let (_, (at, reading, there)) = tokio::try_join!(grant, look)?;
        watcher.success(id).await?;
        if before.is_some_and(|before| before != there) {
            step = (step * 0.7).max(begin_ms / 60.0);
        }
        before = Some(there);
        delay = (delay + if there { -step } else { step }).max(0.05);
        if n >= count / 3 {
            asked.push(at);
            took.push(reading);
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    Ok(quantile(&asked, 0.5) + quantile(&took, 0.5))
}

/// The command line as a whole process, from its start to its end.
pub async fn cli_wait(fleet: &mut Fleet, quick: bool) -> Result<Vec<Figure>> {
    let (warm, count) = if quick { (2, 10) } else { (5, 100) };
    fleet.start_agents("real", 1).await?;
    let (synod, home, log) = (fleet.synod().to_owned(), fleet.dir.join("home"), fleet.dir.join("cli.log"));
    let fingerprint = fleet.fingerprint.clone();
    let url = fleet.url.clone();
    let samples = tokio::task::spawn_blocking(move || -> Result<Vec<f64>> {
        use std::io::Write as _;
        let mut login = plain(&synod, &home, &log)?;
        login.args(["login", &url, "--user", "dave", "--password-stdin", "--yes", "--ca-fingerprint", &fingerprint]).stdin(Stdio::piped());
        let mut child = login.spawn()?;
        child.stdin.take().context("no standard input")?.write_all(format!("{}\n", password("dave")).as_bytes())?;
        ensure!(child.wait()?.success(), "synod login failed: {}", std::fs::read_to_string(&log).unwrap_or_default());
        let mut samples = Vec::new();
        for n in 0..warm + count {
            let mut run = plain(&synod, &home, &log)?;
            run.args(["run", "-n", NAMESPACE, DIRECT, "--wait"]);
            let began = Instant::now();
            let status = run.status()?;
            let took = ms(began.elapsed());
            ensure!(status.success(), "synod run failed ({status}): {}", std::fs::read_to_string(&log).unwrap_or_default());
            if n >= warm {
                samples.push(took);
            }
        }
        Ok(samples)
    })
    .await??;
    Ok(vec![figure("synod run --wait, whole process", "ms", Goal::AtMost(25.0), samples)])
}

fn plain(synod: &Path, home: &Path, log: &Path) -> Result<std::process::Command> {
    let mut command = std::process::Command::new(synod);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SYNOD_")) {
        command.env_remove(name);
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
    command.env("SYNOD_CONFIG_HOME", home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    Ok(command)
}

/// One run, and its result read.
async fn direct(dave: &Client, watcher: &Watcher) -> Result<()> {
    let run = ask(dave, DIRECT, "").await?;
    watcher.success(&run.summary.id).await?;
    result(dave, &run.summary.id).await
}

/// One run after the other on one node.
pub async fn sequential(fleet: &mut Fleet, quick: bool) -> Result<Vec<Figure>> {
    let (warm, blocks, block) = if quick { (5, 4, 25) } else { (50, 20, 100) };
    fleet.start_agents("real", 1).await?;
    let dave = fleet.person("dave")?;
    let watcher = Watcher::start(fleet.person("alice")?).await?;
    for _ in 0..warm {
        direct(&dave, &watcher).await?;
    }
    let mut rates = Vec::new();
    for _ in 0..blocks {
        let began = Instant::now();
        for _ in 0..block {
            direct(&dave, &watcher).await?;
        }
        rates.push(f64::from(block) / began.elapsed().as_secs_f64());
    }
    Ok(vec![figure(&format!("runs one after the other (blocks of {block})"), "/s", Goal::AtLeast(250.0), rates)])
}

/// Fifty runs in flight on one node.
pub async fn inflight50(fleet: &mut Fleet, quick: bool) -> Result<Vec<Figure>> {
    let (warm, count) = if quick { (1, 3) } else { (3, 30) };
    fleet.start_agents("real", 1).await?;
    let dave = fleet.person("dave")?;
    let watcher = Watcher::start(fleet.person("alice")?).await?;
    let mut samples = Vec::new();
    for n in 0..warm + count {
        let began = Instant::now();
        futures::future::try_join_all((0..50).map(|_| direct(&dave, &watcher))).await?;
        if n >= warm {
            samples.push(began.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(vec![figure("50 runs in flight, until all results are read", "s", Goal::AtMost(0.15), samples)])
}

/// One run on so many real agents, each a process.
pub async fn real(fleet: &mut Fleet, agents: usize, limit_ms: f64, quick: bool) -> Result<Vec<Figure>> {
    let (warm, count) = if quick { (1, 5) } else { (5, 50) };
    fleet.start_agents("real", agents).await?;
    let (bob, carol, dave) = (fleet.person("bob")?, fleet.person("carol")?, fleet.person("dave")?);
    let watcher = Watcher::start(fleet.person("alice")?).await?;
    let mut samples = Vec::new();
    for n in 0..warm + count {
        let run = ask(&dave, AGREED, "").await?;
        approve(&bob, &run).await?;
        let sent = Instant::now();
        let outcome = async {
            watcher.success(&run.summary.id).await?;
            all_succeeded(&dave, &run.summary.id, agents).await?;
            anyhow::Ok(Instant::now())
        };
        let (_, read) = tokio::try_join!(approve(&carol, &run), outcome)?;
        if n >= warm {
            samples.push(ms(read - sent));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(vec![figure(&format!("one run on {agents} real agents"), "ms", Goal::AtMost(limit_ms), samples)])
}

/// Whole life cycles by HTTP: request, two approvals, task, result.
pub async fn lifecycle(fleet: &mut Fleet, quick: bool) -> Result<Vec<Figure>> {
    const LANES: usize = 16;
    const SLICES: usize = 10;
    let (warm, count) = if quick { (64, 320) } else { (640, 6400) };
    let mut simulated = fleet.simulate("sim", LANES).await?;
    simulated.connect().await?;
    fleet.connected(LANES).await?;
    let watcher = Arc::new(Watcher::start(fleet.person("alice")?).await?);
    let begun = Arc::new(AtomicUsize::new(0));
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        let (bob, carol, dave) = (fleet.person("bob")?, fleet.person("carol")?, fleet.person("dave")?);
        let (watcher, begun) = (watcher.clone(), begun.clone());
        lanes.spawn(async move {
            let target = format!("name=sim-{lane:05}");
            let mut done = Vec::new();
            while begun.fetch_add(1, Ordering::Relaxed) < warm + count {
                let began = Instant::now();
                let run = ask(&dave, AGREED, &target).await?;
                approve(&bob, &run).await?;
                approve(&carol, &run).await?;
                watcher.success(&run.summary.id).await?;
                result(&dave, &run.summary.id).await?;
                done.push((Instant::now(), ms(began.elapsed())));
            }
            anyhow::Ok(done)
        });
    }
    let mut done = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        done.extend(lane??);
    }
    simulated.stop().await;
    done.sort_by_key(|(at, _)| *at);
    let done = done.split_off(warm.saturating_sub(1));
    let slice = done.len().saturating_sub(1) / SLICES;
    ensure!(slice > 0, "too few life cycles");
    #[allow(clippy::cast_precision_loss)]
    let rates = (0..SLICES).map(|n| slice as f64 / (done[(n + 1) * slice].0 - done[n * slice].0).as_secs_f64()).collect();
    let latencies = done.iter().map(|(_, took)| *took).collect();
    Ok(vec![
        figure(&format!("life cycles, {LANES} clients (slices of {slice})"), "/s", Goal::AtLeast(300.0), rates),
        figure("one life cycle under that load", "ms", Goal::None, latencies),
    ])
}

/// A server with three agents and nothing to do.
pub async fn idle(fleet: &mut Fleet, quick: bool) -> Result<Vec<Figure>> {
    let (settle, window) = if quick { (3, 5) } else { (30, 20) };
    fleet.start_agents("real", 3).await?;
    {
        // They have worked before they rest.
        let dave = fleet.person("dave")?;
        let watcher = Watcher::start(fleet.person("alice")?).await?;
        for _ in 0..10 {
            let run = ask(&dave, DIRECT, "").await?;
            watcher.success(&run.summary.id).await?;
        }
    }
    tokio::time::sleep(Duration::from_secs(settle)).await;
    let (server, agents) = (fleet.server_pid()?, fleet.agent_pids());
    let before = (place::cpu(server)?, agents.iter().map(|pid| place::cpu(*pid)).collect::<Result<Vec<_>>>()?);
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(window)).await;
    let seconds = began.elapsed().as_secs_f64();
    let after = (place::cpu(server)?, agents.iter().map(|pid| place::cpu(*pid)).collect::<Result<Vec<_>>>()?);
    #[allow(clippy::cast_precision_loss)]
    let mib = |kib: u64| kib as f64 / 1024.0;
    let memory = place::memory(server)?;
    let all = agents.iter().map(|pid| place::memory(*pid)).collect::<Result<Vec<_>>>()?;
    let share = |from: f64, to: f64| (to - from) / seconds * 100.0;
    let agent = |pick: fn(&place::Cpu) -> f64| before.1.iter().zip(&after.1).map(|(a, b)| share(pick(a), pick(b))).collect::<Vec<f64>>();
    Ok(vec![
        figure("server, PSS", "MiB", Goal::AtMost(50.0), vec![mib(memory.pss_kib)]),
        figure("server, RSS", "MiB", Goal::None, vec![mib(memory.rss_kib)]),
        figure("agent, PSS (each of three)", "MiB", Goal::AtMost(10.0), all.iter().map(|m| mib(m.pss_kib)).collect()),
        figure("agent, RSS (each of three)", "MiB", Goal::None, all.iter().map(|m| mib(m.rss_kib)).collect()),
        figure("agent, share of a core (schedstat)", "%", Goal::AtMost(0.1), agent(|c| c.schedstat_s)),
        figure("agent, share of a core (stat, ticks of 10 ms)", "%", Goal::None, agent(|c| c.stat_s)),
        figure("server, share of a core (schedstat)", "%", Goal::None, vec![share(before.0.schedstat_s, after.0.schedstat_s)]),
        figure("server, share of a core (stat, ticks of 10 ms)", "%", Goal::None, vec![share(before.0.stat_s, after.0.stat_s)]),
    ])
}

/// The program file.
pub fn size(synod: &Path) -> Result<Vec<Figure>> {
    let (bytes, stripped) = place::program(synod)?;
    #[allow(clippy::cast_precision_loss)]
    let mb = bytes as f64 / 1e6;
    let (name, goal) = if stripped { ("stripped program", Goal::AtMost(40.0)) } else { ("program with symbols (no release build)", Goal::None) };
    Ok(vec![figure(name, "MB", goal, vec![mb])])
}
