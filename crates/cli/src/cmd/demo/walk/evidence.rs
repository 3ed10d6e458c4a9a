//! The walk: what can be shown later: a run's evidence, the audit log, the record, a backup.

use serde_json::{Value, json};
use synod_domain::event::{Event, types};
use synod_protocol::http::Page;
use synod_protocol::http::access::WhoCan;
use synod_protocol::http::client::{accept, collect};
use synod_protocol::http::task::Task;
use synod_trust::bundle::Bundle;

use super::{API, Fleet, Walk, ensure, until, wrong};
use crate::cmd::demo::PEOPLE;
use crate::exit::{Fault, Result};

/// A checkpoint of the audit log, kept outside of it.
const EARLY: &str = "early.checkpoint";

/// The answer of a command of the program, as JSON, with whether it ended well.
async fn answer(fleet: &Fleet, user: Option<&str>, args: &[&str]) -> Result<(bool, Value)> {
    let output = fleet.synod(user, args).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value = serde_json::from_str(&text).map_err(|_| wrong(format!("synod {}: {text}{}", args.join(" "), String::from_utf8_lossy(&output.stderr))))?;
    Ok((output.status.success(), value))
}

/// A run's evidence in a file, judged without the server.
pub(super) async fn later(w: &mut Walk<'_>, fleet: &Fleet, run: &str, root: &str) -> Result<()> {
    let erin = fleet.client("erin").await?;
    // The log has an event within moments of its being recorded.
    let bundle = until("the run in the audit log", async || {
        let bundle: Bundle = erin.get(&format!("{API}/runs/{run}/bundle")).await.ok()?;
        bundle.events.iter().any(|logged| logged.event["type"] == types::RUN_SUCCEEDED).then_some(bundle)
    })
    .await?;
    let (held, log) = answer(fleet, Some("alice"), &["audit", "verify", "--save", EARLY, "-o", "json"]).await?;
    ensure(held, || format!("the audit log does not hold: {log}"))?;
    let key = log["key"].as_str().unwrap_or_default().to_owned();
    let verify = async |name: &str, bundle: &Bundle| -> Result<(bool, Vec<Value>)> {
        let file = fleet.dir.join(name);
        let text = serde_json::to_vec(bundle).map_err(|e| wrong(e.to_string()))?;
        std::fs::write(&file, text).map_err(|e| Fault::file("write", &file, &e))?;
        let args = ["verify", "run", run, "--offline", name, "--trust-root", root, "--log-key", &key, "-o", "json"];
        let (held, report) = answer(fleet, None, &args).await?;
        let checks = report["checks"].as_array().cloned().unwrap_or_default();
        ensure(held == (report["ok"] == true), || "exit code and report of `verify run` differ".into())?;
        Ok((held, checks))
    };
    let (held, checks) = verify("run.bundle", &bundle).await?;
    ensure(held, || format!("the evidence does not hold: {checks:?}"))?;
    let agreed = checks.iter().find(|check| check["what"].as_str().is_some_and(|what| what.starts_with("agreement"))).map(|check| &check["why"]);
    w.tell(
        "erin",
        "verifies the run from one file, without any server",
        &format!("{} checks hold; {}", checks.len(), agreed.and_then(Value::as_str).unwrap_or_default()),
    )?;
    let mut bent = bundle;
    if let Some(logged) = bent.events.iter_mut().find(|logged| logged.event["type"] == types::APPROVAL_GIVEN) {
        logged.event["actor"] = json!("user:alice");
    }
    let (held, checks) = verify("bent.bundle", &bent).await?;
    let failed = checks.iter().find(|check| check["ok"] == false).and_then(|check| check["why"].as_str()).unwrap_or_default();
    ensure(!held && !failed.is_empty(), || "a changed file was taken for the truth".into())?;
    w.tell("erin", "is given the same file with another approver in it", failed)
}

/// The record as those see it who may.
pub(super) async fn on_record(w: &mut Walk<'_>, fleet: &Fleet, lost: &str) -> Result<()> {
    let (alice, erin) = (fleet.client("alice").await?, fleet.client("erin").await?);
    let failed: Page<Task> = erin.get(&format!("{API}/tasks?phase=lost,cancelled&namespace=shop")).await?;
    ensure(failed.items.iter().any(|t| t.run == lost), || "the lost task is not in the history".into())?;
    w.tell("erin", "searches the history of tasks", &format!("{} lost or cancelled", failed.items.len()))?;
    let who: WhoCan = erin.get(&format!("{API}/access/who-can?action=run.approve&namespace=shop&template=restart-service")).await?;
    let names: Vec<&str> = who.people.iter().map(|p| p.user.as_str()).collect();
    ensure(names.contains(&"bob") && !names.contains(&"erin"), || format!("who can approve: {names:?}"))?;
    w.tell("erin", "asks who may approve", &names.join(", "))?;
    let mut events: Vec<Event> = Vec::new();
    let mut after = 0;
    loop {
        let page: Page<Event> = alice.get(&format!("{API}/events?after={after}&limit=1000")).await?;
        let Some(last) = page.items.last() else { break };
        after = last.position;
        events.extend(page.items);
    }
    let gap_free = events.iter().enumerate().all(|(n, e)| e.position == n as u64 + 1);
    ensure(gap_free, || "the log of events has gaps".into())?;
    for kind in [
        "synod.run.approved",
        "synod.run.rejected",
        "synod.run.cancelled",
        "synod.approval.given",
        "synod.task.ended",
        "synod.node.joined",
        "synod.trust.root_published",
        "synod.run.break_glass",
        "synod.run.ratified",
        "synod.node.alarm",
    ] {
        ensure(events.iter().any(|e| e.kind == kind), || format!("no event {kind}"))?;
    }
    let text = serde_json::to_string(&events).unwrap_or_default();
    ensure(PEOPLE.iter().all(|(_, password, _)| !text.contains(password)), || "a password is in the log".into())?;
    w.tell("alice", "reads the record", &format!("{} events, without a gap", events.len()))?;
    let (held, log) = answer(fleet, Some("alice"), &["audit", "verify", "-o", "json"]).await?;
    ensure(held && log["size"].as_u64().is_some_and(|size| size > 0), || format!("the audit log does not hold: {log}"))?;
    let (grew, since) = answer(fleet, Some("alice"), &["audit", "verify", "--from", EARLY, "-o", "json"]).await?;
    ensure(grew && since["from"].as_u64() < log["size"].as_u64(), || format!("the audit log did not grow: {since}"))?;
    w.tell(
        "alice",
        "recomputes the audit log from all its events",
        &format!(
            "{} events give the root that was signed, {}, and it grew from the {} of the good run",
            log["size"],
            log["root"].as_str().unwrap_or_default(),
            since["from"]
        ),
    )?;
    let file = fleet.dir.join("walk.backup");
    let answer = accept(alice.raw(http::Method::GET, &format!("{API}/backup"), &[], bytes::Bytes::new()).await?).await?;
    let bytes = collect(answer).await?;
    std::fs::write(&file, &bytes).map_err(|e| Fault::file("write", &file, &e))?;
    let url = format!("sqlite:{}", fleet.dir.join("restored.db").display());
    let db = synod_db::Db::open(&url).await.map_err(Fault::from)?;
    let restored = synod_db::backup::restore(&db, &bytes).await.map_err(Fault::from)?;
    db.close().await;
    w.tell("alice", "takes a backup and restores it elsewhere", &format!("{} rows in {} bytes, whole", restored.rows, bytes.len()))
}
