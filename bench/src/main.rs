//! `synod-bench`: measures every row of the table of speed and size, on SQLite and PostgreSQL. See `bench/README.md`.
#![allow(clippy::print_stdout)]

mod agents;
mod audit;
mod crowd;
mod fleet;
mod place;
mod report;
mod scenarios;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use serde_json::json;

use fleet::{Database, Fleet};
use report::Figure;

/// Measures Synod: every row of the table of speed and size.
#[derive(Debug, Parser)]
#[command(name = "synod-bench", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// On which database; PostgreSQL's URL is read from SYNOD_TEST_POSTGRES
    #[arg(long, value_enum, default_value = "both")]
    database: Which,
    /// Which scenarios, separated by commas; all when absent
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,…")]
    scenario: Vec<Scenario>,
    /// Smaller sizes and fewer repetitions: shows that it works, not how fast
    #[arg(long)]
    quick: bool,
    /// Write everything to this file as JSON, samples too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The program under test; beside this one, else target/release/synod, when absent
    #[arg(long, value_name = "FILE")]
    synod: Option<PathBuf>,
    /// Where state is kept while measuring; must be on a disk
    #[arg(long, value_name = "FOLDER", default_value = "/var/tmp")]
    dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulated agents; started by the benchmark itself
    Agents(agents::AgentsArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Sqlite,
    Postgres,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Scenario {
    Lone,
    CliWait,
    Sequential,
    Inflight50,
    Real20,
    Real60,
    Fanout,
    Lifecycle,
    Reconnect,
    Memory,
    Idle,
    Size,
    Audit,
}

impl Scenario {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let work = async {
        place::raise_open_files()?;
        match cli.command {
            Some(Command::Agents(args)) => agents::agents(args).await.map(|()| true),
            None => bench(&cli).await,
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("synod-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Ends when somebody ends the benchmark; what it started then ends with it.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else { return std::future::pending().await };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
}

fn program(given: Option<&Path>) -> Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("synod");
    let path = match given {
        Some(path) => path.to_owned(),
        None if beside.is_file() => beside,
        None => PathBuf::from("target/release/synod"),
    };
    path.canonicalize()
        .with_context(|| format!("{} is not there; build it with `cargo build --release`, or name it with --synod", path.display()))
}

async fn bench(cli: &Cli) -> Result<bool> {
    let synod = program(cli.synod.as_deref())?;
    let (_, stripped) = place::program(&synod)?;
    let file_system = place::file_system(&cli.dir);
    if place::in_memory(&file_system) {
        bail!("{} lies on {file_system}, where nothing is ever written to a disk; name another folder with --dir", cli.dir.display());
    }
    let mut databases = Vec::new();
    let mut postgres = serde_json::Value::Null;
    if cli.database != Which::Postgres {
        databases.push(Database::Sqlite);
    }
    if cli.database != Which::Sqlite {
        let url = std::env::var("SYNOD_TEST_POSTGRES")
            .context("SYNOD_TEST_POSTGRES names no PostgreSQL server; run this through scripts/with-postgres.sh, or with --database sqlite")?;
        postgres = fleet::postgres_settings(&url).await?;
        databases.push(Database::Postgres(url));
    }
    let chosen = if cli.scenario.is_empty() { Scenario::value_variants().to_vec() } else { cli.scenario.clone() };
    let machine = place::machine();
    let fsync_ms = place::fsync_ms(&cli.dir)?;
    println!(
        "{} on {}; {} x {}, {} MiB, Linux {}, load {}",
        synod.display(),
        file_system,
        machine.cpus,
        machine.cpu_model,
        machine.memory_mib,
        machine.kernel,
        machine.load_1m
    );
    println!("4 KiB append and fsync: {} ms", report::short(fsync_ms));
    if !postgres.is_null() {
        println!("PostgreSQL: {postgres}");
    }
    if !stripped {
        println!("NOTE: {} has symbols, so it is no release build: figures mean nothing", synod.display());
    }
    if cfg!(debug_assertions) {
        println!("NOTE: synod-bench itself is a debug build: figures mean nothing");
    }
    let mut figures: Vec<Figure> = Vec::new();
    let mut failures = Vec::new();
    for scenario in chosen {
        let name = scenario.name();
        let places: Vec<Option<&Database>> =
            if matches!(scenario, Scenario::Size | Scenario::Audit) { vec![None] } else { databases.iter().map(Some).collect() };
        for database in places {
            let on = database.map_or("-", Database::name);
            eprintln!("… {name} on {on}");
            let found = match database {
                None if scenario == Scenario::Audit => audit::audit(&cli.dir, cli.quick).await,
                None => scenarios::size(&synod),
                Some(database) => measure(cli, &synod, scenario, database).await,
            };
            match found {
                Ok(found) => {
                    let found: Vec<Figure> = found.into_iter().map(|figure| Figure { scenario: name.clone(), database: on.to_owned(), ..figure }).collect();
                    eprint!("{}", report::table(&found));
                    figures.extend(found);
                }
                Err(error) => {
                    eprintln!("{name} on {on} failed: {error:#}");
                    failures.push(json!({"scenario": name, "database": on, "error": format!("{error:#}")}));
                }
            }
        }
    }
    println!("\n{}", report::table(&figures));
    for failure in &failures {
        println!("FAILED {failure}");
    }
    if let Some(file) = &cli.json {
        let document = json!({
            "program": synod, "stripped": stripped, "benchDebug": cfg!(debug_assertions), "quick": cli.quick, "machine": machine,
            "fileSystem": file_system, "fsyncMs": fsync_ms, "postgres": postgres, "figures": figures, "failures": failures,
        });
        std::fs::write(file, serde_json::to_string_pretty(&document)?).with_context(|| file.display().to_string())?;
    }
    Ok(failures.is_empty())
}

async fn measure(cli: &Cli, synod: &Path, scenario: Scenario, database: &Database) -> Result<Vec<Figure>> {
    let mut fleet = Fleet::start(synod, &cli.dir, database).await?;
    let postgres = matches!(database, Database::Postgres(_));
    let quick = cli.quick;
    let f = &mut fleet;
    let found = match scenario {
        Scenario::Lone => scenarios::lone(f, postgres, quick).await,
        Scenario::CliWait => scenarios::cli_wait(f, quick).await,
        Scenario::Sequential => scenarios::sequential(f, quick).await,
        Scenario::Inflight50 => scenarios::inflight50(f, quick).await,
        Scenario::Real20 => scenarios::real(f, 20, 30.0, quick).await,
        Scenario::Real60 => scenarios::real(f, 60, 90.0, quick).await,
        Scenario::Fanout => {
            // On PostgreSQL most of what the log costs is another program's time.
            let log_cost = if postgres { None } else { Some(audit::append_cost(&cli.dir).await?) };
            crowd::fanout(f, quick, log_cost).await
        }
        Scenario::Lifecycle => scenarios::lifecycle(f, quick).await,
        Scenario::Reconnect => crowd::reconnect(f, quick).await,
        Scenario::Memory => crowd::memory(f, quick).await,
        Scenario::Idle => scenarios::idle(f, quick).await,
        Scenario::Size => scenarios::size(synod),
        Scenario::Audit => audit::audit(&cli.dir, quick).await,
    };
    let found = found.map_err(|error| {
        let log = fleet.log("server");
        if log.is_empty() { error } else { error.context(format!("the server's log ends with: {log}")) }
    });
    fleet.stop().await;
    found
}
