//! `synod demo`: a server, three agents and demo users on this machine; with `--walk`, the whole story played through.

mod fleet;
mod folder;
mod keys;
mod walk;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::exit::{Exit, Fault, Result};
use crate::output::note;
use crate::session::App;
use crate::settings;
use fleet::Fleet;

/// The people of the demo: name, password, what they may do.
pub const PEOPLE: [(&str, &str, &str); 5] = [
    ("alice", "alice-demo-password", "owner and administrator everywhere, on call"),
    ("bob", "bob-demo-password", "approver in shop"),
    ("carol", "carol-demo-password", "approver in shop, on call"),
    ("dave", "dave-demo-password", "requester in shop"),
    ("erin", "erin-demo-password", "viewer in shop"),
];

/// The machines of the demo: name and labels.
pub const NODES: [(&str, &[(&str, &str)]); 3] =
    [("web-1", &[("role", "web"), ("env", "staging")]), ("web-2", &[("role", "web"), ("env", "prod")]), ("web-3", &[("role", "web"), ("env", "prod")])];

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Play the whole story through on free ports in a temporary folder; exits 0 only when every step came out right
    #[arg(long)]
    walk: bool,
    /// Write a JSON document about the running demo to this file once everything is up
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443", conflicts_with = "walk")]
    listen: SocketAddr,
    /// Keep the demo's state in this folder instead of a temporary one; a demo that is there already is gone on with
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Use this database instead of an embedded one (postgres://…); it must be empty, or that of the demo in --dir
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Runs the demo until it is told to stop, or plays it through.
pub async fn demo(args: DemoArgs, app: &App<'_>) -> Result {
    let temporary = tempfile::tempdir().map_err(|e| Fault::new(Exit::Internal, format!("cannot make a temporary folder: {e}")))?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let listen = if args.walk { SocketAddr::from(([127, 0, 0, 1], 0)) } else { args.listen };
    let mut fleet = Fleet::start(&dir, listen, args.database.as_deref(), args.walk).await?;
    if let Some(file) = &args.ready_file {
        let user = |(name, password, roles): (&str, &str, &str)| {
            let mut user = json!({"name": name, "password": password, "roles": roles});
            if fleet.trust_root.is_some() && keys::HOLDERS.contains(&name) {
                user["key"] = json!(keys::file(&fleet.dir, name));
            }
            user
        };
        let ready = json!({
            "server": fleet.url,
            "ca_file": fleet.ca_file(),
            "ca_fingerprint": fleet.fingerprint,
            "trustRoot": fleet.trust_root,
            "users": PEOPLE.map(user),
            "nodes": NODES.map(|(name, labels)| json!({"name": name, "labels": labels.iter().copied().collect::<std::collections::BTreeMap<_, _>>()})),
        });
        synod_server::keys::write_private(file, ready.to_string().as_bytes()).map_err(|e| Fault::file("write", file, &e))?;
    }
    if args.walk {
        let walked = walk::walk(&mut fleet, app).await;
        fleet.stop().await;
        return walked;
    }
    note(&welcome(&fleet, &args));
    let ended = tokio::select! {
        () = settings::told_to_stop() => Ok(Exit::Ok),
        fault = fleet.watch() => Err(fault),
    };
    note("Stopping the demo.");
    fleet.stop().await;
    ended
}

fn welcome(fleet: &Fleet, args: &DemoArgs) -> String {
    use std::fmt::Write as _;
    // By name, since browsers make passkeys for names only.
    let browser = fleet.url.replacen("127.0.0.1", "localhost", 1);
    let mut text = format!(
        "\nThe demo is up: {}\n  its certificate authority  {}\n  in a browser               {browser}\n\n  user    password              may\n",
        fleet.url, fleet.fingerprint
    );
    for (name, password, may) in PEOPLE {
        let _ = writeln!(text, "  {name:<7} {password:<21} {may}");
    }
    let folder = keys::folder(&fleet.dir);
    let key = |name: &str| fleet.trust_root.as_ref().map(|_| format!(" --key {}", folder.join(name).display())).unwrap_or_default();
    if let Some(root) = &fleet.trust_root {
        let _ = write!(
            text,
            "\nThe agents believe signatures only: those of alice, bob and carol under the trust root\n  {root}\nTheir keys are in {}; `synod approve` signs with --key.\n",
            folder.display()
        );
    }
    let (url, bob, carol) = (&fleet.url, key("bob"), key("carol"));
    let _ = write!(
        text,
        "\nIn another terminal:\n  alias synod={}\n  synod login {url} --user dave\n  synod run restart-service -n shop --input service=web --target role=web --reason \"stuck workers\"\n  synod login --user bob {url}; synod get runs --awaiting-me; synod approve RUN --comment ok{bob}\n  synod login --user carol {url}; synod approve RUN{carol}; synod watch RUN\n\n",
        fleet.program.display()
    );
    text.push_str(&match (&args.dir, &args.database) {
        (Some(dir), _) => format!("Ctrl-C stops it; its state stays in {}, and the same command goes on with it.", dir.display()),
        (None, Some(_)) => "Ctrl-C stops it and removes its files; what is in the database stays.".to_owned(),
        (None, None) => "Ctrl-C stops it and removes everything it made.".to_owned(),
    });
    text
}
