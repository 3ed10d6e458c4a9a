//! Decisions: one a person and run, never changed.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;
use synod_domain::approval::Decision;
use synod_domain::verify::DeliveredApproval;
use synod_domain::{Error, Result, Timestamp};

use crate::{ColumnType, Query, Row, Tx, params, to_records};

/// A decision as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub person: String,
    /// What.
    pub decision: Decision,
    /// On which digest.
    pub digest: String,
    /// Their words.
    pub comment: String,
    /// When.
    pub at: Timestamp,
    /// The person's signature, once signatures are required.
    pub signature: Option<String>,
    /// Indexes of the rules the person could fill when they decided; once the run has started, of those they still could.
    pub rules: BTreeSet<usize>,
}

fn approval(row: &Row) -> Result<Approval> {
    let decision = match row.text(1).as_str() {
        "approve" => Decision::Approve,
        "reject" => Decision::Reject,
        other => return Err(Error::internal(format!("the decision `{other}` is not one of ours"))),
    };
    Ok(Approval { person: row.text(0), decision, digest: row.text(2), comment: row.text(3), at: row.time(4), signature: row.text_opt(5), rules: row.json(6)? })
}

/// Records a decision of somebody who has made none on this run, which must be locked: that they have not is read from [`list`].
pub fn insert(tx: &mut Tx, run: &str, a: &Approval) {
    let decision = match a.decision {
        Decision::Approve => "approve",
        Decision::Reject => "reject",
    };
    tx.later(
        "INSERT INTO approvals (run_id, person, decision, digest, comment, at, signature, rules) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![run, &a.person, decision, &a.digest, &a.comment, a.at, a.signature.clone(), json!(a.rules).to_string()],
    );
}

/// The decisions on a run in the order they were made.
pub async fn list(db: &mut impl Query, run: &str) -> Result<Vec<Approval>> {
    let rows = db
        .query("SELECT person, decision, digest, comment, at, signature, rules FROM approvals WHERE run_id = $1 ORDER BY at, person", params![run])
        .await?;
    rows.iter().map(approval).collect()
}

/// The decisions on a run, and the access version at the same moment.
pub async fn list_with_access(db: &mut impl Query, run: &str) -> Result<(Vec<Approval>, i64)> {
    let sql = "SELECT a.person, a.decision, a.digest, a.comment, a.at, a.signature, a.rules, m.value
         FROM (SELECT CAST($1 AS TEXT) AS id) AS run LEFT JOIN meta m ON m.key = 'access_version' LEFT JOIN approvals a ON a.run_id = run.id
         ORDER BY a.at, a.person";
    let rows = db.query(sql, params![run]).await?;
    let version = rows.first().and_then(|row| row.text(7).parse().ok()).unwrap_or(0);
    let made = rows.iter().filter(|row| row.text_opt(0).is_some());
    Ok((made.map(approval).collect::<Result<_>>()?, version))
}

/// Records which rules people could still fill when the run started, for delivery to the nodes.
pub async fn set_rules(tx: &mut Tx, run: &str, rules: &[(&str, &BTreeSet<usize>)]) -> Result<()> {
    #[derive(Serialize)]
    struct Record<'a> {
        person: &'a str,
        rules: String,
    }
    if rules.is_empty() {
        return Ok(());
    }
    let rows: Vec<Record<'_>> = rules.iter().map(|(person, rules)| Record { person, rules: json!(rules).to_string() }).collect();
    let records = tx.dialect().records(2, &[("person", ColumnType::Text), ("rules", ColumnType::Text)]);
    let sql = format!("UPDATE approvals SET rules = r.rules FROM {records} AS r WHERE approvals.run_id = $1 AND approvals.person = r.person");
    tx.execute(sql, params![run, to_records(&rows)?]).await?;
    Ok(())
}

/// A decision as it is delivered to nodes.
pub fn delivered(a: Approval) -> DeliveredApproval {
    DeliveredApproval { person: a.person, decision: a.decision, digest: a.digest, at: a.at, comment: a.comment, rules: a.rules, signature: a.signature }
}

/// An approval after the fact.
#[derive(Debug, Clone)]
pub struct Ratification {
    /// Who.
    pub person: String,
    /// JSON of the signed envelope.
    pub envelope: String,
    /// When.
    pub at: Timestamp,
}

/// Records an approval after the fact; `false` when the person gave one before.
pub async fn ratify(tx: &mut Tx, run: &str, given: &Ratification) -> Result<bool> {
    let added = tx
        .execute(
            "INSERT INTO ratifications (run_id, person, envelope, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            params![run, &given.person, &given.envelope, given.at],
        )
        .await?;
    Ok(added == 1)
}

/// The approvals after the fact of a run, in the order they were given.
pub async fn ratifications(db: &mut impl Query, run: &str) -> Result<Vec<Ratification>> {
    let rows = db.query("SELECT person, envelope, at FROM ratifications WHERE run_id = $1 ORDER BY at, person", params![run]).await?;
    Ok(rows.iter().map(|row| Ratification { person: row.text(0), envelope: row.text(1), at: row.time(2) }).collect())
}
