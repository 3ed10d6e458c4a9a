//! `synod break-glass`, `ratify` and `incident`: starting something alone when nobody can be reached, and what must follow.

use std::path::PathBuf;

use clap::Args;
use synod_domain::approval::Decision;
use synod_domain::run::Ratification;
use synod_protocol::http::client::escape;
use synod_protocol::http::run::{ApprovalRequest, Run};
use synod_protocol::http::trust::{IncidentRequest, RatifyRequest};
use synod_trust::Root;

use super::API;
use super::describe::fetch_run;
use super::describe_run::{self, Page, short, verify};
use super::run::{Asked, RunArgs, requested};
use super::sign_run::{Pen, Sort, no_root};
use crate::exit::{Exit, Fault, Result};
use crate::output::{Colour, clean, count, may_colour, note, paint};
use crate::prompt;
use crate::session::App;

/// Arguments of `break-glass`.
#[derive(Debug, Args)]
pub struct BreakGlassArgs {
    #[command(flatten)]
    run: RunArgs,
    /// The break-glass rule of the trust root; the one that fits when it is not given
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Sign with this private key, or with the one in the ssh-agent for this public key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Arguments of `ratify`.
#[derive(Debug, Args)]
pub struct RatifyArgs {
    /// The run, by id or a unique beginning of it
    run: String,
    /// Words for the record
    #[arg(short, long, default_value = "", hide_default_value = true)]
    comment: String,
    /// Sign with this private key, or with the one in the ssh-agent for this public key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Arguments of `incident`.
#[derive(Debug, Args)]
pub struct IncidentArgs {
    /// The run, by id or a unique beginning of it
    run: String,
    /// Where the incident is kept: a ticket, an address
    #[arg(long)]
    reference: String,
    /// What happened
    #[arg(short, long, default_value = "", hide_default_value = true)]
    comment: String,
}

/// Starts a run alone.
pub async fn break_glass(args: BreakGlassArgs, app: &App<'_>) -> Result {
    if args.run.reason.trim().is_empty() {
        return Err(Fault::usage("say why nobody could be waited for: `--reason WHY`"));
    }
    let (dry_run, wait, watch) = (args.run.dry_run, args.run.wait, args.run.watch);
    let client = app.connect().await?;
    // Without a key at hand nothing is requested that would then wait for one.
    let pen = Pen::find(&client, args.key).await?.ok_or_else(no_root)?;
    let rule = named(pen.root(), pen.person(), args.rule.as_deref())?;
    let asked = Asked::prepare(args.run, Some(rule.clone().unwrap_or_default()), &client, app).await?;
    let plan = asked.plan(&client).await?;
    if dry_run && app.out.structured() {
        return app.out.value(&plan).map(|()| Exit::Ok);
    }
    if !app.out.structured() {
        let title = if dry_run { describe_run::DRY_RUN } else { "Nothing is requested yet: this would be" };
        describe_run::plan(&plan, title, app.out)?;
    }
    if dry_run {
        return Ok(Exit::Ok);
    }
    let rule = plan.manifest.break_glass.clone().or(rule).unwrap_or_default();
    loud(&format!("BREAK-GLASS by rule {rule}: it starts AT ONCE on {}, on your signature alone.", count(plan.nodes.len(), "node")));
    loud("Everybody is told. It stays unratified until the normal quorum approves it after the fact, or an incident is recorded.");
    pen.tell();
    if !args.yes {
        if !prompt::interactive() {
            return Err(Fault::usage("there is no terminal to ask at; nothing was requested").help("pass --yes when it is meant"));
        }
        if !prompt::confirm("Start it now, alone?")? {
            return Err(Fault::new(Exit::Differs, "nothing was requested"));
        }
    }
    let run = asked.send(&client).await?;
    let (run, nodes) = fetch_run(&client, &run.summary.id).await?;
    verify(&run, &nodes)?;
    same(&run, &plan.manifest)?;
    let signature = pen.decide(&run, Decision::Approve, "", Sort::BreakGlass).await?;
    let request = ApprovalRequest { digest: run.digest.clone(), decision: Decision::Approve, comment: String::new(), signature: Some(signature) };
    let started: Run = client.post(&format!("{API}/runs/{}/approvals", escape(&run.summary.id)), &request).await?;
    note(&format!("afterwards: synod ratify {0} (by others), or synod incident {0} --reference WHERE", run.summary.id));
    requested(&client, &started, wait, watch, app).await
}

/// The rule that was named, when it is one of this person's; all of theirs are told otherwise.
fn named(root: &Root, person: &str, rule: Option<&str>) -> Result<Option<String>> {
    let own: Vec<&str> = root.doc().break_glass.iter().filter(|one| one.who.iter().any(|who| who == person)).map(|one| one.name.as_str()).collect();
    if own.is_empty() {
        return Err(Fault::new(Exit::Denied, format!("the trust root lets {person} start nothing alone")).help("request it as usual: `synod run`"));
    }
    match rule {
        Some(rule) if !own.contains(&rule) => {
            Err(Fault::new(Exit::Denied, format!("the trust root has no break-glass rule `{rule}` for {person}")).help(format!("there is {}", own.join(", "))))
        }
        Some(rule) => Ok(Some(rule.to_owned())),
        None => Ok((own.len() == 1).then(|| own[0].to_owned())),
    }
}

/// That what was requested is what was shown, but for what only a request gets.
fn same(run: &Run, shown: &synod_domain::manifest::Manifest) -> Result<()> {
    let made = &run.manifest;
    // Times are told from the request's own; everything else must be as it was, the commitments to secrets aside, whose salt is new.
    let moved = made.created_at.since(shown.created_at);
    let later = |at: synod_domain::Timestamp| synod_domain::Timestamp(at.0.saturating_add(moved));
    let expected = synod_domain::manifest::Manifest {
        run: made.run.clone(),
        nonce: made.nonce.clone(),
        created_at: made.created_at,
        approve_by: later(shown.approve_by),
        // A start that is put off ends by its own time.
        expires_at: if shown.not_before.is_some() && made.expires_at == shown.expires_at { shown.expires_at } else { later(shown.expires_at) },
        secrets: made.secrets.clone(),
        ..shown.clone()
    };
    let fits = *made == expected && made.secrets.keys().eq(shown.secrets.keys());
    if fits {
        return Ok(());
    }
    Err(Fault::new(
        Exit::Conflict,
        format!("run {} is not what was shown: nodes or template changed meanwhile, or the server altered it. Nothing was signed", run.summary.id),
    )
    .help(format!("look at it (`synod describe run {0}`) and cancel it (`synod cancel {0}`), then try again", run.summary.id)))
}

fn loud(text: &str) {
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr()) && may_colour();
    note(&paint(colour, Colour::Red, &clean(text)));
}

/// Approves after the fact.
pub async fn ratify(args: RatifyArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let (run, nodes) = fetch_run(&client, &args.run).await?;
    verify(&run, &nodes)?;
    awaits(&run)?;
    if !app.out.structured() {
        short(&run, &nodes, app.out)?;
        let mut page = Page::new(app.out);
        page.marked(Colour::Red, &format!("{} started it alone; this says after the fact that it was right.", run.summary.requester));
        page.print()?;
    }
    let pen = Pen::find(&client, args.key).await?.ok_or_else(no_root)?;
    pen.tell();
    if !args.yes && prompt::interactive() && !prompt::confirm("Ratify exactly this?")? {
        return Err(Fault::new(Exit::Differs, "nothing was ratified"));
    }
    let signature = pen.decide(&run, Decision::Approve, &args.comment, Sort::Ratification).await?;
    let ratified: Run = client.post(&format!("{API}/runs/{}/ratify", escape(&run.summary.id)), &RatifyRequest { signature }).await?;
    told(&ratified, app)
}

/// Closes it by an incident instead.
pub async fn incident(args: IncidentArgs, app: &App<'_>) -> Result {
    let client = app.connect().await?;
    let request = IncidentRequest { reference: args.reference, comment: args.comment };
    let run: Run = client.post(&format!("{API}/runs/{}/incident", escape(&args.run)), &request).await?;
    told(&run, app)
}

fn awaits(run: &Run) -> Result<()> {
    match run.summary.ratification {
        Some(Ratification::Unratified) => Ok(()),
        Some(state) => {
            Err(Fault::new(Exit::Conflict, format!("run {} awaits no ratification any more; it is {}", run.summary.id, describe_run::ratification(state))))
        }
        None => Err(Fault::new(Exit::Conflict, format!("run {} was not started by break-glass", run.summary.id))
            .help("a run that waits is approved with `synod approve`")),
    }
}

fn told(run: &Run, app: &App<'_>) -> Result {
    app.out.either(run, || {
        let state = run.summary.ratification.map_or("not a break-glass run", describe_run::ratification);
        let more =
            if run.summary.ratification == Some(Ratification::Unratified) { ": more people must ratify it, as many as would have had to approve" } else { "" };
        clean(&format!("run {} is {state}{more}", run.summary.id))
    })?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::describe_run::tests::sample;
    use synod_trust::testing;

    #[test]
    fn only_rules_of_ones_own_are_used() {
        let root = testing::root(&testing::root_json());
        assert_eq!(named(&root, "ann", None).unwrap().as_deref(), Some("night"));
        assert_eq!(named(&root, "ann", Some("night")).unwrap().as_deref(), Some("night"));
        assert!(format!("{:?}", named(&root, "ann", Some("day")).unwrap_err()).contains("there is night"));
        assert_eq!(named(&root, "bob", None).unwrap_err().exit(), Exit::Denied);
    }

    #[test]
    fn nothing_is_signed_that_was_not_shown() {
        let (run, _) = sample();
        assert!(same(&run, &run.manifest).is_ok());
        for change in [
            (|m| m.inputs.clear()) as fn(&mut synod_domain::manifest::Manifest),
            |m| m.steps[0].run = Some("other".into()),
            |m| m.break_glass = Some("day".into()),
            |m| m.nodes.count += 1,
            |m| m.run_as = Some("root".into()),
        ] {
            let mut shown = run.manifest.clone();
            change(&mut shown);
            assert_eq!(same(&run, &shown).unwrap_err().exit(), Exit::Conflict);
        }
    }

    #[test]
    fn what_awaits_no_ratification_is_told() {
        let (mut run, _) = sample();
        assert!(format!("{:?}", awaits(&run).unwrap_err()).contains("not started by break-glass"));
        run.summary.ratification = Some(Ratification::Unratified);
        assert!(awaits(&run).is_ok());
        run.summary.ratification = Some(Ratification::Incident);
        assert!(format!("{:?}", awaits(&run).unwrap_err()).contains("incident"));
    }
}
