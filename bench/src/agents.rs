//! `synod-bench agents`: many simulated agents in a process of their own. They speak the real protocol over
//! mutual TLS, each on a connection of its own; only their executor does nothing.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use futures::StreamExt as _;
use serde_json::json;
use synod_domain::Timestamp;
use synod_domain::selector::Labels;
use synod_protocol::http::client::{Address, Client};
use synod_protocol::tls::Trust;
use synod_worker::{Clock, EnrolOptions, Identity, SessionOptions, SimulatedAgent};
use tokio::sync::mpsc;

/// Connections that all enrolments share.
const ENROL_CONNECTIONS: usize = 4;
/// Enrolments under way at once.
const ENROL_AT_ONCE: usize = 64;
/// Pause between two agents that connect for the first time; after a lost server all come at once.
const RAMP: Duration = Duration::from_micros(800);

/// Arguments of `agents`.
#[derive(Debug, Args)]
pub struct AgentsArgs {
    /// How many
    #[arg(long)]
    count: usize,
    /// The server
    #[arg(long)]
    url: String,
    /// SHA-256 of its certificate authority
    #[arg(long)]
    ca_fingerprint: String,
    /// A file with a join token of so many uses
    #[arg(long)]
    join_token_file: PathBuf,
    /// Names are PREFIX-00000 and so on
    #[arg(long, default_value = "sim")]
    prefix: String,
}

/// Enrols all, says `enrolled`, waits for a line on the standard input, connects all, says `connecting`,
/// and stays until the standard input ends.
pub async fn agents(args: AgentsArgs) -> Result<()> {
    let token = std::fs::read_to_string(&args.join_token_file).with_context(|| args.join_token_file.display().to_string())?.trim().to_owned();
    let address: Address = args.url.parse().map_err(|e: String| anyhow!(e))?;
    let trust = Trust::Fingerprint(args.ca_fingerprint.clone());
    let clients: Vec<Arc<Client>> = (0..ENROL_CONNECTIONS).map(|_| Ok(Arc::new(Client::new(address.clone(), &trust, None)?))).collect::<Result<_>>()?;
    let began = Instant::now();
    let work = (0..args.count).map(|n| {
        let client = clients[n % clients.len()].clone();
        let options = EnrolOptions {
            servers: vec![args.url.clone()],
            name: format!("{}-{n:05}", args.prefix),
            token: token.clone(),
            ca_fingerprint: args.ca_fingerprint.clone(),
            labels: Labels::new(),
            facts: facts(n),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clock: now(),
        };
        async move {
            let mut options = options;
            for attempt in 0u32.. {
                options.clock = now();
                match Identity::request_with(&client, &options).await {
                    Ok(identity) => return Ok((n, identity)),
                    Err(error) if attempt < 5 && error.is_transient() => tokio::time::sleep(Duration::from_millis(200)).await,
                    Err(error) => return Err(anyhow!("{} cannot join: {error}", options.name)),
                }
            }
            unreachable!("the loop returns")
        }
    });
    let mut joined = futures::stream::iter(work.map(tokio::spawn)).buffer_unordered(ENROL_AT_ONCE);
    let mut identities = Vec::with_capacity(args.count);
    while let Some(one) = joined.next().await {
        identities.push(one??);
    }
    drop(joined);
    drop(clients);
    identities.sort_by_key(|(n, _)| *n);
    say(&format!("enrolled {} {:.3}", args.count, began.elapsed().as_secs_f64()))?;
    let mut lines = input();
    if lines.recv().await.is_none() {
        return Ok(());
    }
    for (n, identity) in identities {
        let agent = SimulatedAgent::new(identity, facts(n), SessionOptions::default());
        tokio::spawn(async move {
            if let Err(error) = agent.run(std::future::pending()).await {
                let _ = writeln!(std::io::stderr(), "simulated agent {n}: {error}");
            }
        });
        tokio::time::sleep(RAMP).await;
    }
    say("connecting")?;
    while lines.recv().await.is_some() {}
    Ok(())
}

/// The lines of the standard input, read by a thread of their own that nobody waits for at the end.
fn input() -> mpsc::UnboundedReceiver<String> {
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).all(|line| tell.send(line).is_ok()));
    told
}

fn facts(n: usize) -> serde_json::Value {
    json!({"os": "linux", "arch": "x86_64", "kernel": "6.1.0", "cpus": 2, "memory_mb": 4096, "number": n})
}

fn now() -> Timestamp {
    Clock::system().now()
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
