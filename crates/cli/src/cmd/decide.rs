//! `synod approve`, `reject`, `cancel` and `proceed`.

use std::path::PathBuf;

use clap::Args;
use http::Method;
use synod_domain::approval::Decision;
use synod_protocol::http::client::{Client, escape};
use synod_protocol::http::run::{ApprovalRequest, CancelRequest, Run};

use super::API;
use super::describe::fetch_run;
use super::describe_run::{OWN_RULES, next, short, verify};
use super::sign_run::{Pen, Sort, no_root};
use crate::exit::{Exit, Fault, Result};
use crate::output::clean;
use crate::prompt;
use crate::session::App;

/// Arguments of `approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The run, by id or a unique beginning of it
    run: String,
    /// Words for the record
    #[arg(short, long, default_value = "", hide_default_value = true)]
    comment: String,
    /// Approve only when this is still its digest
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// Sign with this private key, or with the one in the ssh-agent for this public key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Arguments of `reject`.
#[derive(Debug, Args)]
pub struct RejectArgs {
    /// The run, by id or a unique beginning of it
    run: String,
    /// Why, for the record
    #[arg(short, long)]
    comment: String,
    /// Reject only when this is still its digest
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// Sign with this private key, or with the one in the ssh-agent for this public key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Arguments of `cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The run, by id or a unique beginning of it
    run: String,
    /// Why, for the record
    #[arg(short, long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// Arguments of `proceed`.
#[derive(Debug, Args)]
pub struct ProceedArgs {
    /// The run, by id or a unique beginning of it
    run: String,
}

fn same_digest(run: &Run, given: Option<&str>) -> Result<()> {
    match given {
        Some(given) if given.trim_start_matches("sha256:") != run.digest.trim_start_matches("sha256:") => {
            Err(Fault::new(Exit::Conflict, format!("the digest of the run is {}, not {given}", run.digest))
                .help("read the run again before you decide: `synod describe run`"))
        }
        _ => Ok(()),
    }
}

/// Shows a run and approves exactly that.
pub async fn approve(args: ApproveArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let (run, nodes) = fetch_run(&client, &args.run).await?;
    same_digest(&run, args.digest.as_deref())?;
    verify(&run, &nodes)?;
    if !app.out.structured() {
        short(&run, &nodes, app.out)?;
    }
    let pen = pen(&client, &run, args.key).await?;
    if !args.yes && prompt::interactive() && !prompt::confirm("Approve exactly this?")? {
        return Err(Fault::new(Exit::Differs, "nothing was decided"));
    }
    decide(&client, &run, Decision::Approve, args.comment, pen, app).await
}

/// Rejects a run.
pub async fn reject(args: RejectArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let run: Run = client.get(&format!("{API}/runs/{}", escape(&args.run))).await?;
    same_digest(&run, args.digest.as_deref())?;
    let pen = pen(&client, &run, args.key).await?;
    decide(&client, &run, Decision::Reject, args.comment, pen, app).await
}

/// A key of the caller, when the run's decisions are signed, or one was named. Where the run awaits nothing of the caller, none is
/// looked for: what is missing then is no key, and the server says what it is.
async fn pen(client: &Client, run: &Run, key: Option<PathBuf>) -> Result<Option<Pen>> {
    if !run.awaits_me || run.signing.is_none() && key.is_none() {
        return Ok(None);
    }
    let pen = Pen::find(client, key).await?.ok_or_else(no_root)?;
    pen.tell();
    Ok(Some(pen))
}

async fn decide(client: &Client, run: &Run, decision: Decision, comment: String, pen: Option<Pen>, app: &App<'_>) -> Result {
    let signature = match pen {
        Some(pen) => Some(pen.decide(run, decision, &comment, Sort::Ordinary).await?),
        None => None,
    };
    let request = ApprovalRequest { digest: run.digest.clone(), decision, comment, signature };
    let decided: Run = client.post(&format!("{API}/runs/{}/approvals", escape(&run.summary.id)), &request).await?;
    let word = if decision == Decision::Approve { "approved" } else { "rejected" };
    tell(&decided, &format!("{word} run {}; it is {}", decided.summary.id, decided.summary.phase), app)
}

fn tell(run: &Run, words: &str, app: &App<'_>) -> Result {
    app.out.either(run, || {
        let mut missing: Vec<String> = run.rules.iter().filter(|rule| rule.missing > 0).map(|rule| format!("{} more: {}", rule.missing, rule.rule)).collect();
        // The template's own rules are told already.
        let signed = run.signing.iter().flat_map(|signing| &signing.rules).filter(|rule| rule.missing > 0 && rule.name != OWN_RULES);
        missing.extend(signed.map(|rule| format!("{} more signed: {} (rule {} of the trust root)", rule.missing, rule.rule, rule.name)));
        let missing = if missing.is_empty() || run.summary.phase != synod_domain::run::Phase::Pending {
            String::new()
        } else {
            format!("\nmissing: {}", missing.join("; "))
        };
        crate::output::clean_lines(&format!("{words}{missing}\nnext: {}", clean(&next(run))))
    })?;
    Ok(Exit::Ok)
}

/// Cancels a run.
pub async fn cancel(args: CancelArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let run: Run = client.post(&format!("{API}/runs/{}/cancel", escape(&args.run)), &CancelRequest { reason: args.reason }).await?;
    let words = if run.summary.phase.ended() { "is" } else { "is being cancelled; it is" };
    tell(&run, &format!("run {} {words} {}", run.summary.id, run.summary.phase), app)
}

/// Opens a gate.
pub async fn proceed(args: ProceedArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let run: Run = client.call::<(), _>(Method::POST, &format!("{API}/runs/{}/proceed", escape(&args.run)), &[], None).await?;
    tell(&run, &format!("run {} goes on", run.summary.id), app)
}
