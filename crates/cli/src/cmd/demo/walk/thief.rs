//! The walk: somebody steals the server: the machine, the database and its keys. The agents go on believing signatures.
//!
//! The thief works with what the product itself offers: a copy of the database as a backup's lines, changed, with the
//! last line made to fit, and restored.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use synod_db::{Db, backup};
use synod_domain::approval::Decision;
use synod_domain::event::{Event, types};
use synod_domain::run::Phase;
use synod_protocol::http::Page;
use synod_protocol::http::client::Client;
use synod_protocol::http::node::Node;
use synod_protocol::http::run::{Run, RunRequest};
use synod_protocol::http::trust::Trust;
use synod_server::audit::{Appended, AuditLog};
use synod_server::keys::Keys;

use super::super::NODES;
use super::{API, Fleet, Person, Walk, ended, ensure, refusals, restart, send, succeeded, until};
use crate::exit::{Fault, Result};

/// Everything in a database, as lines.
async fn copy(url: &str) -> Result<Vec<u8>> {
    let db = Db::open(url).await.map_err(Fault::from)?;
    let (sink, mut pieces) = tokio::sync::mpsc::channel(16);
    let write = async {
        let written = backup::write(&db, &sink).await;
        drop(sink);
        written
    };
    let collect = async {
        let mut all = Vec::new();
        while let Some(Ok(piece)) = pieces.recv().await {
            all.extend(piece);
        }
        all
    };
    let (written, all) = tokio::join!(write, collect);
    written.map_err(Fault::from)?;
    db.close().await;
    Ok(all)
}

/// A copy with rows left out or changed, and a last line that fits: nothing about a backup is signed.
fn forge(copy: &[u8], change: impl Fn(&str, &mut [Value]) -> bool) -> Vec<u8> {
    let mut lines = copy.split_inclusive(|byte| *byte == b'\n');
    let mut forged = lines.next().unwrap_or_default().to_vec();
    let mut rows = 0u64;
    for line in lines {
        let Ok(Value::Array(mut row)) = serde_json::from_slice::<Value>(line) else { continue };
        let [Value::String(table), Value::Array(cells)] = &mut row[..] else { continue };
        if change(table, cells) {
            forged.extend(json!([table, cells]).to_string().bytes().chain([b'\n']));
            rows += 1;
        }
    }
    let digest = hex::encode(Sha256::digest(&forged));
    forged.extend(json!({"rows": rows, "sha256": digest}).to_string().bytes().chain([b'\n']));
    forged
}

/// Stops the server, and starts it again with a forged copy of the database it had.
async fn steal(fleet: &mut Fleet, from: &str, to: &str, change: impl Fn(&str, &mut [Value]) -> bool) -> Result<String> {
    fleet.stop_server().await;
    let forged = forge(&copy(from).await?, change);
    let url = format!("sqlite:{}", fleet.dir.join(to).display());
    let db = Db::open(&url).await.map_err(Fault::from)?;
    backup::restore(&db, &forged).await.map_err(Fault::from)?;
    // With the keys of the server, its log is signed anew, should a part of it be gone.
    let keys = Keys::open(&fleet.dir.join("server/master.key"), &db).await.map_err(Fault::from)?;
    let log = AuditLog::open(&db, &keys).await.map_err(Fault::from)?;
    while log.append(&db, crate::when::now()).await.map_err(Fault::from)? != Appended::Whole {}
    db.close().await;
    fleet.start_server_on(&url).await?;
    fleet.wait_for_agents(&fleet.client("alice").await?).await?;
    Ok(url)
}

async fn nodes(who: &Client) -> Option<Vec<Node>> {
    let page: Page<Node> = who.get(&format!("{API}/nodes")).await.ok()?;
    Some(page.items)
}

/// Waits until every node has told this server that something is wrong with its log; the last of what they said.
async fn all_alarmed(fleet: &Fleet) -> Result<Event> {
    let alice = fleet.client("alice").await?;
    until("the alarm of every node", async || {
        let page: Page<Event> = alice.get(&format!("{API}/events?type={}&limit=1000", types::NODE_ALARM)).await.ok()?;
        let alarms: Vec<Event> = page.items.into_iter().filter(|event| event.data["about"] == "log").collect();
        let who: BTreeSet<&str> = alarms.iter().map(|event| event.subject.as_str()).collect();
        if who.len() == NODES.len() { alarms.last().cloned() } else { None }
    })
    .await
}

/// The server is stolen, twice over, and comes back.
pub(super) async fn steals(w: &mut Walk<'_>, fleet: &mut Fleet, good: &str) -> Result<()> {
    let before = fleet.service_process("web-1", "web");
    let own = fleet.database.clone();
    let stolen = steal(fleet, &own, "stolen.db", |table, _| table != "trust_roots").await?;
    let (bob, carol, dave) = (fleet.client("bob").await?, fleet.client("carol").await?, fleet.client("dave").await?);
    let trust: Trust = dave.get(&format!("{API}/trust")).await?;
    ensure(trust.root.is_none(), || "the stolen server still knows its trust root".into())?;
    w.tell(
        "",
        "a thief has the server, its database and its keys, and removes the trust root",
        "the agents are connected to it: to them it is the server they know",
    )?;
    let run: Run = dave.post(&format!("{API}/runs"), &restart("role=web")).await?;
    send(&bob, &run, Decision::Approve, "", None).await?;
    let taken = send(&carol, &run, Decision::Approve, "", None).await?;
    w.tell("thief", "approves in bob's and in carol's name, unsigned", &format!("the stolen server has no objection: {}", taken.summary.phase))?;
    let done = ended(&dave, &run.summary.id).await?;
    let refused = refusals(&dave, &run.summary.id, "trust: unmet").await?;
    ensure(done.summary.phase == Phase::Failed && fleet.service_process("web-1", "web") == before, || format!("it ended {}", done.summary.phase))?;
    w.tell("", &format!("{} judges for itself, and runs nothing", refused[0].node), &refused[0].reason)?;
    rewrite(w, fleet, &stolen, good).await?;
    comes_back(w, fleet).await
}

/// The thief goes on to change what is on record.
async fn rewrite(w: &mut Walk<'_>, fleet: &mut Fleet, stolen: &str, good: &str) -> Result<()> {
    let alice = fleet.client("alice").await?;
    let page: Page<Event> = alice.get(&format!("{API}/events?run={good}&type={}&limit=1000", types::APPROVAL_GIVEN)).await?;
    let event = page.items.first().ok_or_else(|| super::wrong("the approval is not on record"))?.clone();
    until("every node has witnessed that event", async || nodes(&alice).await?.iter().all(|node| node.trust.witnessed >= event.position).then_some(())).await?;
    // Columns of the table `events`: seq, type, subject, namespace, run, actor, …
    let forged = |table: &str, cells: &mut [Value]| {
        if table == "events" && cells[1] == types::APPROVAL_GIVEN && cells[4] == good && cells[5] == json!(event.actor) {
            cells[5] = json!("user:dave");
        }
        !["audit_tiles", "audit_heads"].contains(&table)
    };
    steal(fleet, stolen, "rewritten.db", forged).await?;
    let alarm = all_alarmed(fleet).await?;
    w.tell(
        "thief",
        &format!("rewrites event {}: dave approved, not {}; and signs the audit log anew", event.position, event.actor.trim_start_matches("user:")),
        &format!("every node raises the alarm: {}", alarm.data["message"].as_str().unwrap_or_default()),
    )?;
    let dave = fleet.client("dave").await?;
    let reads = RunRequest { template: "show-uptime".into(), inputs: json!({}), reason: "what still runs?".into(), ..restart("role=web") };
    let run: Run = dave.post(&format!("{API}/runs"), &reads).await?;
    let done = ended(&dave, &run.summary.id).await?;
    let refused = refusals(&dave, &run.summary.id, "trust: log-forked").await?;
    ensure(done.tasks.succeeded == 0, || format!("{} nodes ran it", done.tasks.succeeded))?;
    let names: Vec<&str> = refused.iter().map(|task| task.node.as_str()).collect();
    w.tell("", &format!("{} run nothing more", names.join(", ")), &refused[0].reason)
}

/// The true server again; a person looks before the nodes go on.
async fn comes_back(w: &mut Walk<'_>, fleet: &mut Fleet) -> Result<()> {
    fleet.stop_server().await;
    fleet.start_server().await?;
    fleet.wait_for_agents(&fleet.client("alice").await?).await?;
    let alarm = all_alarmed(fleet).await?;
    w.tell("alice", "takes the server back", &format!("its nodes tell it what they saw: {}", alarm.data["name"].as_str().unwrap_or_default()))?;
    let kept = fleet.dir.join("kept-as-evidence");
    std::fs::create_dir_all(&kept).map_err(|e| Fault::file("make", &kept, &e))?;
    for (name, _) in NODES {
        fleet.stop_agent(name).await;
        let seen = fleet.dir.join(name).join("trust/witness.json");
        std::fs::rename(&seen, kept.join(format!("{name}.json"))).map_err(|e| Fault::file("move", &seen, &e))?;
        fleet.start_agent(name)?;
    }
    let (bob, carol, dave) = (Person::new(fleet, "bob").await?, Person::new(fleet, "carol").await?, fleet.client("dave").await?);
    fleet.wait_for_agents(&fleet.client("alice").await?).await?;
    let run: Run = dave.post(&format!("{API}/runs"), &restart("role=web")).await?;
    bob.decide(&run, Decision::Approve, "").await?;
    carol.decide(&run, Decision::Approve, "").await?;
    let done = succeeded(&dave, &run.summary.id, 3).await?;
    w.tell(
        "alice",
        "keeps what the nodes witnessed as evidence, and lets them go on",
        &format!("what bob and carol sign runs again: {}, {} of 3 nodes", done.summary.phase, done.tasks.succeeded),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_forged_copy_is_a_whole_backup() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a.db").display());
        let db = Db::open(&url).await.unwrap();
        db.close().await;
        let whole = copy(&url).await.unwrap();
        let rows = backup::check(&whole).unwrap().rows;
        assert_eq!(forge(&whole, |_, _| true), whole);
        let less = forge(&whole, |table, _| table != "meta");
        assert!(backup::check(&less).unwrap().rows < rows, "{rows}");
    }
}
