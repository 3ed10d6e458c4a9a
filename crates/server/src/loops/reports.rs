//! What agents report, on its way to the database: while one batch is being committed the next one gathers,
//! so that a lone result waits for nobody and ten thousand cost a few transactions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use synod_db::doorbell::Topic;
use synod_db::task::{Detail, Ended, GIVEN_UP, NewOutput, SignedResult, Started};
use synod_domain::error::{Kind, code};
use synod_domain::task::{Outcome, Phase, Segment};
use synod_domain::{Error, Result};
use synod_protocol::agent::{self, report, split_task};
use tokio::sync::{mpsc, watch};

use crate::app::App;
use crate::patience::{Pauses, patiently};
use crate::untrusted::{bounded, without_nul};

/// So many reports may wait; beyond that, agents' streams are read more slowly.
const BACKLOG: usize = 8192;
/// So many go into one transaction.
const BATCH: usize = 2000;
/// While the database is away.
const PAUSES: Pauses = Pauses { first: Duration::from_millis(50), longest: Duration::from_secs(2) };
/// The most output taken from one task, in bytes of JSON: the bound of the agent and its envelope.
const MAX_OUTPUT: usize = 8 * 1024 * 1024;
/// The largest outcome taken from one task, in bytes of JSON: it comes back with every listing the task is in.
const MAX_OUTCOME: usize = 256 * 1024;
/// The largest signed result taken, in bytes.
const MAX_SIGNED: usize = 16 * 1024;
/// Times that can be written and read again, in milliseconds: until the end of the year 9999.
const YEARS: std::ops::Range<i64> = 0..253_402_300_800_000;

/// A report, checked for form.
#[derive(Debug, Clone)]
pub struct Report {
    /// The node it came from, by its certificate.
    pub node: String,
    /// The run it is about.
    pub run: String,
    /// The task's place in rollout order.
    pub idx: u32,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Started { at: i64 },
    Output(Vec<(u32, String)>),
    Ended { outcome: Box<Outcome>, output: Vec<(u32, String)>, signed: Option<String>, given_up: bool },
}

impl Report {
    /// The end of a task that its node has no record of: what the server concludes, not what the node says.
    pub fn given_up(node: &str, run: &str, idx: u32, outcome: Outcome) -> Self {
        let body = Body::Ended { outcome: Box::new(outcome), output: Vec::new(), signed: None, given_up: true };
        Self { node: node.to_owned(), run: run.to_owned(), idx, body }
    }
}

/// Reads a report as it came.
pub fn read(node: &str, report: agent::Report) -> Result<Report> {
    let wrong = |what: String| Error::new(code::MALFORMED, what);
    let plain = |run: &str| !run.is_empty() && run.len() <= 64 && run.bytes().all(|b| b.is_ascii_alphanumeric());
    let (run, idx) = split_task(&report.task)
        .filter(|(run, _)| plain(run))
        .ok_or_else(|| wrong(format!("`{}` is no task", bounded(&report.task, 100))))?;
    let body = match report.body {
        Some(report::Body::Started(started)) => Body::Started { at: started.at_ms },
        Some(report::Body::Output(output)) if output.segments_json.len() > MAX_OUTPUT => {
            return Err(Error::new(code::TOO_LARGE, "the output is larger than any agent may keep"));
        }
        Some(report::Body::Output(output)) => Body::Output(vec![read_output(output)?]),
        Some(report::Body::Finished(finished)) => {
            if finished.outcome_json.len() > MAX_OUTCOME {
                return Err(Error::new(code::TOO_LARGE, "the outcome is larger than that of any task may be"));
            }
            let outcome: Outcome = serde_json::from_str(&finished.outcome_json).map_err(|e| wrong(format!("the outcome cannot be read: {e}")))?;
            if !outcome.phase.ended() || outcome.phase == Phase::Skipped {
                return Err(wrong(format!("{} is no end of a task", outcome.phase)));
            }
            let output: Vec<(u32, String)> = finished.output.into_iter().map(read_output).collect::<Result<_>>()?;
            if output.iter().map(|(_, text)| text.len()).sum::<usize>() > MAX_OUTPUT {
                return Err(Error::new(code::TOO_LARGE, "the output is larger than any agent may keep"));
            }
            Body::Ended { outcome: Box::new(outcome), output, signed: signed_result(&finished.signed_result), given_up: false }
        }
        None => return Err(wrong("an empty report".into())),
    };
    Ok(Report { node: node.to_owned(), run: run.to_owned(), idx, body })
}

/// The signed result as it is stored: whether its signature holds is for those to check who want to believe it.
fn signed_result(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() || bytes.len() > MAX_SIGNED {
        return None;
    }
    synod_trust::Envelope::read(bytes).ok()?;
    String::from_utf8(bytes.to_vec()).ok()
}

fn read_output(output: agent::Output) -> Result<(u32, String)> {
    let segments: Vec<Segment> = serde_json::from_str(&output.segments_json).map_err(|e| Error::new(code::MALFORMED, format!("output cannot be read: {e}")))?;
    // Written again: what is stored is what was understood, and without NUL, which PostgreSQL's text cannot hold.
    Ok((output.chunk, without_nul(&segments)?))
}

/// The way in.
#[derive(Clone)]
pub struct Queue(mpsc::Sender<Report>);

/// The way out.
pub struct Incoming(mpsc::Receiver<Report>);

/// A queue and its end.
pub fn queue() -> (Queue, Incoming) {
    let (tx, rx) = mpsc::channel(BACKLOG);
    (Queue(tx), Incoming(rx))
}

impl Queue {
    /// Hands a report in; waits while too many wait already.
    pub async fn send(&self, report: Report) {
        let _ = self.0.send(report).await;
    }
}

/// Writes reports until told to stop.
pub async fn run(app: Arc<App>, mut incoming: Incoming, mut stop: watch::Receiver<bool>) {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            n = incoming.0.recv_many(&mut batch, BATCH) => {
                if n == 0 {
                    return;
                }
                app.counters.reported(n);
            }
            _ = stop.changed() => return,
        }
        match patiently("results", PAUSES, &mut stop, || record(&app, &batch)).await {
            None => return,
            Some(Ok(())) => {}
            // It would fail for ever and hold up everybody: all but the one that it is about are recorded.
            Some(Err(_)) => {
                for report in &batch {
                    match patiently("results", PAUSES, &mut stop, || record(&app, std::slice::from_ref(report))).await {
                        None => return,
                        Some(Ok(())) => {}
                        // Not acknowledged, it stays in its agent's journal.
                        Some(Err(error)) => tracing::error!(?error, task = format!("{}.{}", report.run, report.idx), "a report cannot be recorded"),
                    }
                }
            }
        }
        batch.clear();
    }
}

async fn record(app: &Arc<App>, batch: &[Report]) -> Result<()> {
    let now = app.clock.now();
    let mut work = crate::ops::task::Reported::default();
    let mut acks: HashMap<&str, Vec<(String, u32)>> = HashMap::new();
    let mut has_output = false;
    for report in batch {
        let mut add_output = |output: &[(u32, String)]| {
            has_output |= !output.is_empty();
            work.output.extend(output.iter().map(|(chunk, segments)| NewOutput {
                run_id: report.run.clone(),
                idx: report.idx,
                node_id: report.node.clone(),
                chunk: *chunk,
                segments: segments.clone(),
            }));
        };
        match &report.body {
            Body::Started { at } => {
                let package = match app.gateway.package(app, &report.run).await {
                    Ok(package) => package,
                    // The database is away: the whole batch is tried again.
                    Err(error) if error.code().kind == Kind::Unavailable => return Err(error),
                    Err(_) => continue,
                };
                // A minute beyond the node's own timeout: it kills, it reports, it may have to reconnect first.
                let deadline_at = now.after(package.document.manifest.timeout).0 + 60_000;
                // It has begun, whatever its clock says: a time that is none is the time of hearing it.
                let at = if YEARS.contains(at) { *at } else { now.0 };
                work.started.push(Started { run_id: report.run.clone(), idx: report.idx, node_id: report.node.clone(), at, deadline_at });
            }
            Body::Output(output) => add_output(output),
            Body::Ended { outcome, output, signed, given_up } => {
                add_output(output);
                work.ended.push(ended(report, outcome, *given_up)?);
                if let Some(envelope) = signed {
                    work.signed
                        .push(SignedResult { run_id: report.run.clone(), idx: report.idx, node_id: report.node.clone(), envelope: envelope.clone() });
                }
                acks.entry(&report.node).or_default().push((report.run.clone(), report.idx));
            }
        }
    }
    dedupe(&mut work);
    let effects = crate::ops::task::record(app, work, now).await?;
    for (node, tasks) in acks {
        app.gateway.acknowledge(node, tasks);
    }
    if has_output {
        app.bell.ring(Topic::Output);
    }
    effects.carry_out(app);
    Ok(())
}

/// Of two reports of the same thing in one batch, one is enough (and all that a statement can take).
fn dedupe(work: &mut crate::ops::task::Reported) {
    let mut ends: HashMap<(String, u32, String), (String, Option<i32>)> = HashMap::new();
    let mut others = BTreeSet::new();
    for end in std::mem::take(&mut work.ended) {
        let (task, how) = ((end.run_id.clone(), end.idx, end.node_id.clone()), (end.phase.clone(), end.exit_code));
        match ends.get(&task) {
            None => {
                ends.insert(task, how);
                work.ended.push(end);
            }
            Some(first) if *first != how && others.insert(task) => work.other_ends.push(end),
            Some(_) => {}
        }
    }
    let mut seen = BTreeSet::new();
    work.started.retain(|s| seen.insert((s.run_id.clone(), s.idx, s.node_id.clone())));
    let mut chunks: BTreeMap<(String, u32, String, u32), NewOutput> = BTreeMap::new();
    for output in work.output.drain(..) {
        chunks.entry((output.run_id.clone(), output.idx, output.node_id.clone(), output.chunk)).or_insert(output);
    }
    // What one task sends at once is bounded here, what it sends altogether where it is stored.
    let mut sizes: HashMap<(String, u32), usize> = HashMap::new();
    work.output.extend(chunks.into_values().filter(|output| {
        let size = sizes.entry((output.run_id.clone(), output.idx)).or_default();
        *size += output.segments.len();
        *size <= MAX_OUTPUT
    }));
}

fn ended(report: &Report, outcome: &Outcome, given_up: bool) -> Result<Ended> {
    let detail =
        Detail { steps: outcome.steps.clone(), warnings: outcome.warnings.clone(), truncated: outcome.truncated, output_digest: outcome.output_digest.clone() };
    Ok(Ended {
        run_id: report.run.clone(),
        idx: report.idx,
        node_id: report.node.clone(),
        phase: outcome.phase.name().to_owned(),
        started_at: outcome.started_at.map(|t| t.0),
        finished_at: outcome.finished_at.0,
        exit_code: outcome.exit_code,
        reason: bounded(outcome.reason.as_deref().unwrap_or_default(), 4000),
        // Only a check that failed its task stops a rollout; whoever says otherwise contradicts itself.
        check_failed: u8::from(outcome.check_failed && outcome.phase != Phase::Succeeded),
        detail: if given_up { GIVEN_UP.to_owned() } else { without_nul(&detail)? },
    })
}
