//! The audit log with a million leaves, and an agent's judgement: measured without a server, by the code that servers and
//! agents run.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use serde_json::json;
use synod_db::audit::{Head, move_head, put_tiles};
use synod_db::{Db, event};
use synod_domain::Timestamp;
use synod_domain::approval::Decision;
use synod_domain::event::{NewEvent, types};
use synod_domain::manifest::node_tree;
use synod_domain::merkle::{Hash, Inclusion, leaf_hash};
use synod_domain::verify::{DeliveredApproval, Package, verify};
use synod_server::audit::{Appended, AuditLog, BATCH, consistency, inclusions, rows};
use synod_server::keys::Keys;
use synod_trust::audit::{Edge, check_consistency, check_inclusion};
use synod_trust::{Envelope, judge, testing};

use crate::place;
use crate::report::{Figure, Goal, figure, quantile};

fn leaf(n: u64) -> Hash {
    leaf_hash(&n.to_be_bytes())
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Builds the log, then times proofs and judgements; every answer is checked.
pub async fn audit(dir: &Path, quick: bool) -> Result<Vec<Figure>> {
    let (size, repeats) = if quick { (100_000, 50) } else { (1_000_000, 1000) };
    let folder = tempfile::tempdir_in(dir)?;
    let db = Db::open(&format!("sqlite:{}", folder.path().join("synod.db").display())).await?;
    // Sizes and roots along the way, to prove consistency with.
    let mut passed = Vec::new();
    let mut edge = Edge::empty();
    let mut rates = Vec::new();
    while edge.size() < size {
        let begun = Instant::now();
        let from = edge.size();
        let leaves: Vec<Hash> = (from..(from + u64::from(BATCH)).min(size)).map(leaf).collect();
        let grown = edge.grow(&leaves)?;
        let mut tx = db.begin().await?;
        put_tiles(&mut tx, &rows(&grown)).await?;
        let head = Head { size: grown.edge.size(), note: String::new(), at: Timestamp(0) };
        ensure!(move_head(&mut tx, from, &head).await?, "the head did not move");
        tx.commit().await?;
        edge = grown.edge;
        #[allow(clippy::cast_precision_loss)]
        rates.push(leaves.len() as f64 / begun.elapsed().as_secs_f64());
        passed.push((edge.size(), edge.root()));
    }
    let root = edge.root();
    let (mut inclusion, mut grew) = (Vec::new(), Vec::new());
    for n in 0..repeats {
        // Spread over the whole log, the same in every measurement.
        let index = (n * 7_368_787) % size;
        let begun = Instant::now();
        let proof = inclusions(&mut db.reader().await?, &[index], size).await?;
        inclusion.push(ms(begun));
        check_inclusion(&leaf(index), index, size, &proof[0], &root)?;
        let (old, old_root) = passed[usize::try_from(n * 7919)? % passed.len()];
        let begun = Instant::now();
        let proof = consistency(&mut db.reader().await?, old, size).await?;
        grew.push(ms(begun));
        check_consistency(old, &old_root, size, &root, &proof)?;
    }
    db.close().await;
    let (written, logged) = appended(&folder.path().join("events.db"), repeats.min(20)).await?;
    let leaves = if quick { "100,000" } else { "1,000,000" };
    Ok(vec![
        figure("events written, 2,000 a transaction", "1/s", Goal::None, written),
        figure("events put into the log", "1/s", Goal::None, logged),
        figure("leaves added, 2,000 a transaction", "1/s", Goal::None, rates),
        figure(&format!("inclusion proof among {leaves}"), "ms", Goal::AtMost(5.0), inclusion),
        figure(&format!("consistency proof of {leaves}"), "ms", Goal::AtMost(5.0), grew),
        figure("judging 3 of 5 signatures", "ms", Goal::AtMost(1.0), judged(repeats)?),
    ])
}

/// How fast events like those of ended tasks are recorded, and how fast the log takes them in, both from and to the disk.
async fn appended(file: &Path, repeats: u64) -> Result<(Vec<f64>, Vec<f64>)> {
    appended_at(file, repeats).await.map(|(written, logged, _)| (written, logged))
}

/// What an event costs the log, in processor seconds of all threads, with what the database does for it.
pub async fn append_cost(dir: &Path) -> Result<f64> {
    let folder = tempfile::tempdir_in(dir)?;
    let (_, _, costs) = appended_at(&folder.path().join("events.db"), 10).await?;
    Ok(quantile(&costs, 0.5))
}

async fn appended_at(file: &Path, repeats: u64) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let db = Db::open(&format!("sqlite:{}", file.display())).await?;
    let keys = Keys::open(&file.with_extension("key"), &db).await?;
    let log = AuditLog::open(&db, &keys).await?;
    let (mut written, mut logged, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..repeats {
        let events: Vec<NewEvent> = (0..BATCH)
            .map(|n| NewEvent {
                kind: types::TASK_ENDED,
                subject: format!("task/1rxspckmfmmv.{n}"),
                namespace: Some("shop".into()),
                run: Some("1rxspckmfmmv".into()),
                actor: format!("node:web-{n}"),
                data: json!({"phase": "succeeded", "exitCode": 0, "reason": "", "round": round}),
            })
            .collect();
        let begun = Instant::now();
        let mut tx = db.begin().await?;
        event::append(&mut tx, &events, Timestamp(0)).await?;
        tx.commit().await?;
        written.push(f64::from(BATCH) / begun.elapsed().as_secs_f64());
        let (begun, before) = (Instant::now(), place::cpu(std::process::id())?);
        while log.append(&db, Timestamp(0)).await? == Appended::More {}
        logged.push(f64::from(BATCH) / begun.elapsed().as_secs_f64());
        costs.push((place::cpu(std::process::id())?.schedstat_s - before.schedstat_s) / f64::from(BATCH));
    }
    db.close().await;
    Ok((written, logged, costs))
}

/// A task that three of five people signed for, with three sorts of keys: all that an agent does with it from the bytes that come to the
/// rules that are met.
fn judged(repeats: u64) -> Result<Vec<f64>> {
    let root = testing::root(&testing::root_json());
    let manifest = testing::manifest();
    let (bytes, digest) = manifest.seal()?;
    let said = |name: &&str| DeliveredApproval {
        person: (*name).to_owned(),
        decision: Decision::Approve,
        digest: digest.clone(),
        at: testing::hour(2),
        comment: String::new(),
        rules: [0].into(),
        signature: String::from_utf8(testing::yes(name, &manifest).to_bytes()).ok(),
    };
    let approvals_json = serde_json::to_string(&["ann", "bob", "carol"].iter().map(said).collect::<Vec<_>>())?;
    let nodes = testing::nodes();
    let inclusion = Inclusion { index: 0, size: nodes.len() as u64, path: node_tree(&nodes)?.path(0).ok_or_else(|| anyhow!("no first node"))? };
    let mut samples = Vec::new();
    for _ in 0..repeats {
        let begun = Instant::now();
        let approvals: Vec<DeliveredApproval> = serde_json::from_str(&approvals_json)?;
        let package = Package { manifest: &bytes, digest: &digest, approvals: &approvals, inclusion: &inclusion };
        let read = verify(&package, &nodes[0], testing::hour(3)).map_err(|refusal| anyhow!("refused: {refusal}"))?;
        let signed = approvals.iter().filter_map(|approval| approval.signature.as_deref());
        let envelopes = signed.map(|text| Envelope::read(text.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let agreed = judge(&root, &read, &digest, &envelopes, &nodes[0].name, testing::hour(3));
        samples.push(ms(begun));
        agreed.map_err(|refused| anyhow!("refused: {refused}"))?;
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_timed_is_not_refused() {
        assert_eq!(super::judged(2).unwrap().len(), 2);
    }
}
