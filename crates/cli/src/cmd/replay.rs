//! `synod replay`: the same revision and inputs on other nodes.

use clap::Args;
use serde_json::{Map, Value, json};
use synod_domain::Timestamp;
use synod_domain::selector::Selector;
use synod_protocol::http::client::escape;
use synod_protocol::http::run::{ReplayRequest, Run, RunPlan};

use super::API;
use super::describe_run;
use super::run::{ask_secret, requested, submit};
use crate::exit::{Exit, Result};
use crate::inputs::{Assignment, build};
use crate::session::App;
use crate::when;

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The run to repeat, by id or a unique beginning of it
    run: String,
    /// On which nodes this time
    #[arg(short, long, value_name = "SELECTOR")]
    target: Selector,
    /// Why; the first run's reason when absent
    #[arg(short, long)]
    reason: Option<String>,
    /// A secret input, which is not kept and must be given again: NAME=- asks for it, NAME=@FILE reads it; may be repeated
    #[arg(long = "secret", value_name = "K=-")]
    secrets: Vec<Assignment>,
    /// Start nothing before: a time, or from now (2h)
    #[arg(long, value_name = "TIME", value_parser = when::future)]
    not_before: Option<Timestamp>,
    /// Only tell what would happen and who must approve
    #[arg(long)]
    dry_run: bool,
    /// Wait for the run's end; the exit code tells how it ended
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// Wait, and show progress and output as `synod watch` does
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
}

/// Requests a run again, elsewhere.
pub async fn replay(args: ReplayArgs, app: &App<'_>) -> Result {
    let secrets = if args.secrets.is_empty() {
        None
    } else {
        // All of them are secrets here, whatever the template says now.
        let properties: Map<String, Value> = args.secrets.iter().map(|one| (one.name.clone(), json!({"type": "string", "writeOnly": true}))).collect();
        Some(Value::Object(build(&json!({"properties": properties}), Map::new(), &args.secrets, ask_secret)?))
    };
    let client = app.connect().await?;
    let request = ReplayRequest { target: args.target.into(), reason: args.reason, secrets, not_before: args.not_before, dry_run: args.dry_run };
    let path = format!("{API}/runs/{}/replay", escape(&args.run));
    if args.dry_run {
        let plan: RunPlan = submit(&client, &path, &request).await?;
        if app.out.structured() {
            app.out.value(&plan)?;
        } else {
            describe_run::plan(&plan, describe_run::DRY_RUN, app.out)?;
        }
        return Ok(Exit::Ok);
    }
    let run: Run = submit(&client, &path, &request).await?;
    requested(&client, &run, args.wait, args.watch, app).await
}
