//! `synod run`: request a run, and perhaps wait for its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Map, Value};
use synod_domain::Timestamp;
use synod_domain::object::{Document, Kind};
use synod_domain::selector::Selector;
use synod_protocol::http::IDEMPOTENCY_KEY;
use synod_protocol::http::client::{Client, ClientError};
use synod_protocol::http::run::{Run, RunPlan, RunRequest};

use super::API;
use super::describe_run::{self, batches, next};
use super::kinds::{object_path, split};
use super::watch;
use crate::documents::{locate_in, read_file, read_stdin};
use crate::exit::{Exit, Fault, Result};
use crate::inputs::{Assignment, build, need_schema};
use crate::output::{Format, clean};
use crate::positions::{Parsed, parse_json, parse_yaml};
use crate::session::App;
use crate::{prompt, when};

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The template, as NAME with `-n`, or NAMESPACE/NAME
    pub(super) template: String,
    /// An input: NAME=VALUE (typed as the template says), NAME=@FILE, NAME:=JSON, or NAME=- to be asked for a secret; may be repeated
    #[arg(short, long = "input", value_name = "K=V")]
    inputs: Vec<Assignment>,
    /// Inputs from a YAML or JSON file; --input wins
    #[arg(long, value_name = "FILE")]
    inputs_file: Option<PathBuf>,
    /// On which nodes, within what the template allows: role=web,env!=dev
    #[arg(short, long, default_value = "", hide_default_value = true, value_name = "SELECTOR")]
    target: Selector,
    /// Why, for those who decide
    #[arg(short, long, default_value = "", hide_default_value = true)]
    pub(super) reason: String,
    /// Start nothing before: a time, or from now (2h)
    #[arg(long, value_name = "TIME", value_parser = when::future)]
    pub(super) not_before: Option<Timestamp>,
    /// This revision of the template instead of the newest
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// Only tell what would happen and who must approve
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Wait for the run's end; the exit code tells how it ended
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) wait: bool,
    /// Wait, and show progress and output as `synod watch` does
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) watch: bool,
}

/// Requests a run.
pub async fn run(args: RunArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let (dry_run, wait, watch) = (args.dry_run, args.wait, args.watch);
    let asked = Asked::prepare(args, None, &client, app).await?;
    if dry_run {
        let plan = asked.plan(&client).await?;
        if app.out.structured() {
            app.out.value(&plan)?;
        } else {
            describe_run::plan(&plan, describe_run::DRY_RUN, app.out)?;
        }
        return Ok(Exit::Ok);
    }
    let run = asked.send(&client).await?;
    requested(&client, &run, wait, watch, app).await
}

/// A request with its inputs read, and where they came from.
pub struct Asked {
    request: RunRequest,
    file: Option<InputsFile>,
    given: Vec<String>,
}

impl Asked {
    /// Reads the inputs; asks for secret ones.
    pub async fn prepare(args: RunArgs, break_glass: Option<String>, client: &Client, app: &App<'_>) -> Result<Self> {
        let (namespace, template) = split(Kind::Template, &args.template, app.namespace())?;
        let namespace = namespace.unwrap_or_default().to_owned();
        let file = args.inputs_file.as_deref().map(InputsFile::read).transpose()?;
        let mut schema = Value::Null;
        if need_schema(&args.inputs) {
            let mut path = object_path(Kind::Template, Some(&namespace), template, "");
            if let Some(revision) = args.revision {
                path.push_str(&format!("&revision={revision}"));
            }
            let document: Document = client.get(&path).await?;
            schema = document.spec.get("inputs").cloned().unwrap_or_default();
        }
        let base = file.as_ref().map(InputsFile::inputs).unwrap_or_default();
        let inputs = build(&schema, base, &args.inputs, ask_secret)?;
        let request = RunRequest {
            namespace,
            template: template.to_owned(),
            revision: args.revision,
            inputs: Value::Object(inputs),
            target: args.target.into(),
            reason: args.reason,
            not_before: args.not_before,
            break_glass,
            dry_run: false,
        };
        Ok(Self { request, file, given: args.inputs.into_iter().map(|one| one.name).collect() })
    }

    /// What it would do.
    pub async fn plan(&self, client: &Client) -> Result<RunPlan> {
        let request = RunRequest { dry_run: true, ..self.request.clone() };
        submit(client, &format!("{API}/runs"), &request).await.map_err(|e| self.explain(e))
    }

    /// Requests it.
    pub async fn send(&self, client: &Client) -> Result<Run> {
        submit(client, &format!("{API}/runs"), &self.request).await.map_err(|e| self.explain(e))
    }

    fn explain(&self, error: ClientError) -> Fault {
        match (&self.file, error) {
            (Some(file), ClientError::Problem(problem)) if problem.code == "SYN-1002" => {
                let mine = |pointer: &str| !self.given.iter().any(|name| pointer.split('/').nth(1) == Some(name));
                locate_in(&file.name, &file.text, &file.parsed.positions, problem, "/inputs", mine)
            }
            (_, e) => Fault::Client(e),
        }
    }
}

/// Tells what was requested, or waits for its end.
pub async fn requested(client: &Client, run: &Run, wait: bool, follow: bool, app: &App<'_>) -> Result {
    if app.out.format() == Format::Name {
        app.out.line(&run.summary.id)?;
        return if wait || follow { watch::wait(client, run, app).await } else { Ok(Exit::Ok) };
    }
    if follow {
        announce(run, app)?;
        return watch::follow(client, run, app).await;
    }
    if wait {
        if !app.out.structured() {
            announce(run, app)?;
        }
        return watch::wait(client, run, app).await;
    }
    if app.out.structured() {
        return app.out.value(run).map(|()| Exit::Ok);
    }
    announce(run, app)?;
    app.out.line(&format!("digest  {}", run.digest))?;
    app.out.line(&format!("nodes   {}, in batches of {}", run.summary.node_count, batches(&run.batches)))?;
    for rule in &run.rules {
        let who = if rule.candidates.is_empty() { "nobody could now".to_owned() } else { rule.candidates.join(", ") };
        app.out.line(&format!("needs   {} ({})", clean(&rule.rule), clean(&who)))?;
    }
    app.out.line(&format!("next    {}", next(run)))?;
    if !run.summary.phase.ended() {
        app.out.line(&format!("watch   synod watch {}", run.summary.id))?;
    }
    Ok(Exit::Ok)
}

fn announce(run: &Run, app: &App<'_>) -> Result<()> {
    let summary = &run.summary;
    app.out
        .line(&clean(&format!("run {} of {}/{} is {}: {}", summary.id, summary.namespace, summary.template, summary.phase, summary.title)))
}

/// Asks for a secret input, or reads it from the standard input's first line.
pub fn ask_secret(name: &str) -> Result<String> {
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        prompt::secret(&format!("{name}:"), "pass it on the standard input, or as NAME=@FILE")
    } else {
        Ok(prompt::stdin_lines(1, "secret")?.swap_remove(0))
    }
}

/// Sends a request that is done once however often it arrives.
pub async fn submit<B: serde::Serialize, T: serde::de::DeserializeOwned>(client: &Client, path: &str, body: &B) -> Result<T, ClientError> {
    let key = uuid::Uuid::new_v4().to_string();
    let mut pause = Duration::from_millis(200);
    for _ in 0..4 {
        match client.call(Method::POST, path, &[(IDEMPOTENCY_KEY, &key)], Some(body)).await {
            Err(e) if e.is_transient() && !hopeless(&e) => {
                let wanted = match &e {
                    ClientError::Problem(problem) => problem.retry_after_s.map(|s| Duration::from_secs(u64::from(s.min(5)))),
                    _ => None,
                };
                tokio::time::sleep(wanted.unwrap_or(pause)).await;
                pause *= 2;
            }
            other => return other,
        }
    }
    client.call(Method::POST, path, &[(IDEMPOTENCY_KEY, &key)], Some(body)).await
}

/// A server that is not trusted will not be trusted later.
fn hopeless(error: &ClientError) -> bool {
    matches!(error, ClientError::Transport(message) if message.contains("certificate") || message.contains("lookup"))
}

struct InputsFile {
    name: String,
    text: String,
    parsed: Parsed,
}

impl InputsFile {
    fn read(path: &Path) -> Result<Self> {
        let (name, text) =
            if path.as_os_str() == "-" { ("(standard input)".to_owned(), read_stdin()?) } else { (path.display().to_string(), read_file(path)?) };
        let parsed = if path.extension().is_some_and(|e| e == "json") {
            parse_json(&name, &text)?
        } else {
            parse_yaml(&name, &text)?.into_iter().next().ok_or_else(|| Fault::usage(format!("{name} has no inputs")))?
        };
        if parsed.value.is_object() { Ok(Self { name, text, parsed }) } else { Err(Fault::usage(format!("{name}: inputs are written as `name: value`"))) }
    }

    fn inputs(&self) -> Map<String, Value> {
        self.parsed.value.as_object().cloned().unwrap_or_default()
    }
}
