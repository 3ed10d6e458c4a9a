//! Chaos: real servers and agents are killed with SIGKILL at random moments while people request, approve, reject and
//! cancel. Afterwards everything goes on by itself, and the log of events shows that nothing was lost or done twice.
//! On PostgreSQL the servers lose their connections to the database as well, at last only those.
//!
//! `SYNOD_CHAOS_SEED` repeats a sequence of kills, `SYNOD_CHAOS_KILLS` changes their number.

mod checks;
mod load;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use synod_e2e::process::{Cluster, connected};
use synod_e2e::{Engine, new_database};

use load::{Asked, Desk};

const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// How many people request at the same time.
const REQUESTERS: u64 = 3;
/// How long everything may take to come to its end after the last kill.
const SETTLES_WITHIN: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_on_sqlite() {
    chaos(Engine::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_on_postgres_with_two_servers() {
    chaos(Engine::Postgres, 2).await;
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not `{text}`")))
}

async fn chaos(engine: Engine, servers: usize) {
    let seed = number("SYNOD_CHAOS_SEED").unwrap_or_else(rand::random);
    let kills = number("SYNOD_CHAOS_KILLS").unwrap_or(100);
    // Kept when the story fails: the logs of all processes are in it.
    let dir = tempfile::Builder::new().prefix("synod-chaos-").tempdir().unwrap().keep();
    eprintln!("{engine:?}: SYNOD_CHAOS_SEED={seed} SYNOD_CHAOS_KILLS={kills}, everything is in {}", dir.display());
    let marks = dir.join("marks");
    std::fs::create_dir(&marks).unwrap();
    let database = new_database(engine, &dir).await;

    let begun = Instant::now();
    let tell = |what: &str| eprintln!("{engine:?}: {what} after {:.1} s", begun.elapsed().as_secs_f64());
    let mut cluster = Cluster::start(dir.clone(), Some(&database), servers).await;
    let desk = Arc::new(set_up(&mut cluster, &marks).await);
    let over = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..REQUESTERS).map(|n| tokio::spawn(load::requester(desk.clone(), n, seed ^ (n + 1), over.clone()))).collect();

    let mut surprises = Vec::new();
    let cut = kill(&mut cluster, &mut StdRng::seed_from_u64(seed), kills, (engine == Engine::Postgres).then_some(&*database), &mut surprises).await;
    tell("the last kill");
    let settled_by = Instant::now() + SETTLES_WITHIN;
    over.store(true, Ordering::Relaxed);
    while !load.iter().all(tokio::task::JoinHandle::is_finished) {
        look_after(&mut cluster, cut, &mut surprises);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut asked: Vec<Asked> = Vec::new();
    for requester in load {
        asked.extend(requester.await.expect("a requester was acknowledged whatever it asked"));
    }
    for server in &desk.admin {
        while connected(server).await < NODES.len() && Instant::now() < settled_by {
            look_after(&mut cluster, cut, &mut surprises);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    tell("all agents back");
    if engine == Engine::Postgres {
        asked.extend(cut_off(&desk, &database).await);
        tell("the last connection cut");
    }
    // It not only survived: it works as before.
    let after = load::one_more(&desk, settled_by).await;
    asked.push(after);
    let found = checks::settled(&desk, settled_by).await;
    tell("settled");
    surprises.extend(checks::all(&desk, &asked, &found, &marks, seed).await);
    look_after(&mut cluster, None, &mut surprises);
    cluster.stop().await;
    eprintln!("{engine:?}: {} requests, {}", asked.len(), found.summary());
    assert!(surprises.is_empty(), "SYNOD_CHAOS_SEED={seed}, {}: {} surprises\n{}", dir.display(), surprises.len(), surprises.join("\n"));
    let _ = std::fs::remove_dir_all(&dir);
}

async fn set_up(cluster: &mut Cluster, marks: &Path) -> Desk {
    let admin = cluster.bootstrap("alice").await;
    let alice = cluster.clients(Some(&admin));
    let mut people = Vec::new();
    for name in load::PEOPLE {
        people.push((name, cluster.clients(Some(&cluster.person(&alice[0], name).await))));
    }
    load::apply(&alice[0], marks).await;
    cluster.join(&alice[0], &NODES).await;
    Desk { admin: alice, people }
}

/// Kills `kills` random processes and starts each again a little later, now and then only after seconds.
/// Returns when the connections to the database were last cut.
async fn kill(cluster: &mut Cluster, rng: &mut StdRng, kills: u64, database: Option<&str>, surprises: &mut Vec<String>) -> Option<Instant> {
    let pool = match database {
        Some(url) => Some(sqlx::PgPool::connect(url).await.unwrap()),
        None => None,
    };
    let mut cut = None;
    // One that stays away for longer than tasks have to begin.
    let mut away: Option<(usize, Instant)> = None;
    let mut done = 0;
    while done < kills {
        tokio::time::sleep(Duration::from_millis(rng.random_range(150..650))).await;
        look_after(cluster, cut, surprises);
        if let Some((n, _)) = away.take_if(|(_, until)| Instant::now() > *until) {
            cluster.processes().nth(n).unwrap().start();
        }
        if let Some(pool) = &pool
            && rng.random_ratio(1, 6)
        {
            cut = Some(Instant::now());
            cut_connections(pool).await;
        }
        // Mostly one alone, sometimes two at once.
        let together = if rng.random_ratio(1, 6) { 2.min(kills - done) } else { 1 };
        let mut down: Vec<usize> = Vec::new();
        let all = cluster.processes().count();
        while (down.len() as u64) < together {
            let n = rng.random_range(0..all);
            if !down.contains(&n) && away.is_none_or(|(gone, _)| gone != n) {
                cluster.processes().nth(n).unwrap().kill().await;
                down.push(n);
                done += 1;
            }
        }
        for n in down {
            if away.is_none() && rng.random_ratio(1, 20) {
                away = Some((n, Instant::now() + Duration::from_millis(rng.random_range(5000..8000))));
                continue;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
            cluster.processes().nth(n).unwrap().start();
        }
    }
    if let Some((n, _)) = away {
        cluster.processes().nth(n).unwrap().start();
    }
    if let Some(pool) = pool {
        pool.close().await;
    }
    cut
}

/// Takes all their connections to the database from the servers.
async fn cut_connections(pool: &sqlx::PgPool) {
    let all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(all).execute(pool).await.unwrap();
}

/// Runs while only connections to the database are lost, again and again: every process lives, so every task succeeds.
async fn cut_off(desk: &Arc<Desk>, database: &str) -> Vec<Asked> {
    let pool = sqlx::PgPool::connect(database).await.unwrap();
    let desk = desk.clone();
    let requests = tokio::spawn(async move {
        let mut asked = Vec::new();
        for n in 0..20 {
            asked.push(desk.request("calm", format!("calm-request-{n}")).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        asked
    });
    while !requests.is_finished() {
        tokio::time::sleep(Duration::from_millis(rand::random_range(50..250))).await;
        cut_connections(&pool).await;
    }
    pool.close().await;
    requests.await.expect("requests were acknowledged")
}

/// Starts again what ended although nobody killed it, as a supervisor would. That is a surprise, except for a server
/// whose database went away while it was starting.
fn look_after(cluster: &mut Cluster, cut: Option<Instant>, surprises: &mut Vec<String>) {
    for process in cluster.processes() {
        if let Some(status) = process.ended_by_itself() {
            let young = process.name.starts_with("server") && process.age() < Duration::from_secs(8);
            let had_no_database = young && cut.is_some_and(|cut| cut.elapsed() < process.age() + Duration::from_secs(2));
            if !had_no_database {
                surprises.push(format!("{} ended by itself ({status}):\n{}", process.name, process.last_words()));
            }
            process.start();
        }
    }
}
