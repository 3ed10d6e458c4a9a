//! Figures for those who watch a server: counted in memory since it started, and written as Prometheus reads them.
//!
//! What runs, approvals and tasks came to is counted from the events, so that no operation knows of it; every server counts
//! those of the whole installation.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use synod_domain::event::{Event, types};
use synod_domain::{Timestamp, run, task};

/// Requests, in seconds.
const QUICK: [f64; 6] = [0.005, 0.025, 0.1, 0.5, 2.5, 10.0];
/// From request to approval, in seconds: a minute to a week.
const PEOPLE: [f64; 6] = [60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0];
/// From approval to end, in seconds.
const WORK: [f64; 6] = [1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0];
/// So many open runs are remembered; the time of those beyond is not measured.
const OPEN_RUNS: usize = 50_000;

/// How often something took how long.
pub struct Histogram {
    bounds: [f64; 6],
    /// One a bound, and those beyond the last.
    counts: [AtomicU64; 7],
    sum_us: AtomicU64,
}

impl Histogram {
    fn new(bounds: [f64; 6]) -> Self {
        Self { bounds, counts: Default::default(), sum_us: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// What is counted as it happens.
pub struct Counters {
    /// Answers by the first digit of their status, from 1.
    answers: [AtomicU64; 5],
    answered: Histogram,
    reports: AtomicU64,
    malformed: AtomicU64,
    /// What was learnt from events.
    pub(crate) told: tokio::sync::Mutex<Told>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            answers: Default::default(),
            answered: Histogram::new(QUICK),
            reports: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            told: tokio::sync::Mutex::default(),
        }
    }
}

impl Counters {
    /// An HTTP request was answered; what is streamed afterwards does not count.
    pub fn answered(&self, status: http::StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, self.answers.len());
        self.answers[class - 1].fetch_add(1, Ordering::Relaxed);
        self.answered.observe(took);
    }

    /// Agents reported.
    pub fn reported(&self, reports: usize) {
        self.reports.fetch_add(u64::try_from(reports).unwrap_or_default(), Ordering::Relaxed);
    }

    /// An agent said what cannot be read.
    pub fn malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes them.
    pub fn write(&self, page: &mut Page) {
        let classes = self.answers.iter().enumerate().map(|(n, count)| (format!("{}xx", n + 1), count.load(Ordering::Relaxed)));
        page.labelled("synod_http_requests_total", "counter", "HTTP requests answered by this server, by class of status.", "class", classes);
        page.histogram("synod_http_request_duration_seconds", "From an HTTP request to the beginning of its answer.", &self.answered);
        page.one("synod_agent_reports_total", "counter", "Reports of agents that this server took in.", self.reports.load(Ordering::Relaxed));
        let malformed = self.malformed.load(Ordering::Relaxed);
        page.one("synod_agent_malformed_total", "counter", "Streams and reports of agents that this server could not read.", malformed);
    }
}

/// What events told.
pub(crate) struct Told {
    /// Up to where events were read; absent before the first look.
    pub(crate) position: Option<u64>,
    /// The page made last, and when.
    pub(crate) page: Option<(tokio::time::Instant, String)>,
    /// Runs that have not ended, requested and approved since this server started.
    open: HashMap<String, (Timestamp, Option<Timestamp>)>,
    runs: [u64; run::Phase::ALL.len()],
    tasks: [u64; task::Phase::ALL.len()],
    contradicted: u64,
    approvals: u64,
    rejections: u64,
    to_approval: Histogram,
    to_end: Histogram,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            position: None,
            page: None,
            open: HashMap::new(),
            runs: Default::default(),
            tasks: Default::default(),
            contradicted: 0,
            approvals: 0,
            rejections: 0,
            to_approval: Histogram::new(PEOPLE),
            to_end: Histogram::new(WORK),
        }
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(to.since(from)).unwrap_or_default())
}

impl Told {
    /// Takes in one event, each once and in their order.
    pub(crate) fn hear(&mut self, event: &Event) {
        let run = event.run.as_deref().unwrap_or_default();
        match event.kind.as_str() {
            types::RUN_REQUESTED if self.open.len() < OPEN_RUNS => {
                self.open.insert(run.to_owned(), (event.time, None));
            }
            types::RUN_APPROVED => {
                if let Some((requested, approved)) = self.open.get_mut(run) {
                    *approved = Some(event.time);
                    self.to_approval.observe(between(*requested, event.time));
                }
            }
            types::RUN_SUCCEEDED => self.ended(run, run::Phase::Succeeded, event.time),
            types::RUN_FAILED => self.ended(run, run::Phase::Failed, event.time),
            types::RUN_CANCELLED => self.ended(run, run::Phase::Cancelled, event.time),
            types::RUN_REJECTED => self.ended(run, run::Phase::Rejected, event.time),
            types::RUN_EXPIRED => self.ended(run, run::Phase::Expired, event.time),
            types::APPROVAL_GIVEN if event.data["decision"] == "reject" => self.rejections += 1,
            types::APPROVAL_GIVEN => self.approvals += 1,
            types::TASK_ENDED => {
                let phase: Option<task::Phase> = event.data["phase"].as_str().and_then(|name| name.parse().ok());
                phase.into_iter().for_each(|phase| self.tasks[phase as usize] += 1);
            }
            types::TASK_REFUSED => self.tasks[task::Phase::Refused as usize] += 1,
            types::TASK_CONTRADICTED => self.contradicted += 1,
            _ => {}
        }
    }

    fn ended(&mut self, run: &str, phase: run::Phase, at: Timestamp) {
        self.runs[phase as usize] += 1;
        if let Some((_, Some(approved))) = self.open.remove(run) {
            self.to_end.observe(between(approved, at));
        }
    }

    /// Writes them.
    pub(crate) fn write(&self, page: &mut Page) {
        let runs = run::Phase::ALL.into_iter().filter(|phase| phase.ended()).map(|phase| (phase.to_string(), self.runs[phase as usize]));
        page.labelled("synod_runs_ended_total", "counter", "Runs that ended since this server started, by phase.", "phase", runs);
        let given = |phase: &task::Phase| phase.ended() && *phase != task::Phase::Skipped;
        let tasks = task::Phase::ALL.into_iter().filter(given).map(|phase| (phase.to_string(), self.tasks[phase as usize]));
        page.labelled("synod_tasks_ended_total", "counter", "Tasks given to nodes that ended since this server started, by phase.", "phase", tasks);
        page.one("synod_tasks_contradicted_total", "counter", "Tasks of which a node told another end than before.", self.contradicted);
        let decisions = [("approve", self.approvals), ("reject", self.rejections)].map(|(name, n)| (name.to_owned(), n));
        page.labelled("synod_approvals_total", "counter", "Decisions of people since this server started.", "decision", decisions);
        page.histogram("synod_run_approval_duration_seconds", "From the request of a run to its approval.", &self.to_approval);
        page.histogram("synod_run_duration_seconds", "From the approval of a run to its end.", &self.to_end);
    }
}

/// A page in the text format of Prometheus.
#[derive(Default)]
pub struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A figure without labels.
    pub fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    /// A figure for each value of one label. Values are words of ours, which need no escapes.
    pub fn labelled(&mut self, name: &str, kind: &str, help: &str, label: &str, values: impl IntoIterator<Item = (String, u64)>) {
        self.head(name, kind, help);
        for (value, count) in values {
            let _ = writeln!(self.0, "{name}{{{label}=\"{value}\"}} {count}");
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let mut total = 0;
        for (n, count) in histogram.counts.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let bound = histogram.bounds.get(n).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {total}");
        }
        let sum = Duration::from_micros(histogram.sum_us.load(Ordering::Relaxed)).as_secs_f64();
        let _ = writeln!(self.0, "{name}_sum {sum}\n{name}_count {total}");
    }

    /// What the program is: always 1, for its labels.
    pub fn build(&mut self, version: &str, database: &str) {
        self.head("synod_build_info", "gauge", "The program's version and its database.");
        let _ = writeln!(self.0, "synod_build_info{{version=\"{version}\",database=\"{database}\"}} 1");
    }

    /// The text.
    pub fn end(self) -> String {
        self.0
    }
}

/// The memory this process holds, in bytes; nothing where there is no `/proc`.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib: u64 = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(kind: &str, run: &str, at: i64, data: Value) -> Event {
        serde_json::from_value(json!({
            "specversion": "1.0", "id": "1", "source": "synod", "type": kind, "subject": "run/x", "time": Timestamp(at), "datacontenttype": "application/json",
            "run": run, "actor": "system", "position": 1, "data": data
        }))
        .unwrap()
    }

    #[test]
    fn events_are_counted_and_timed() {
        let mut told = Told::default();
        for happened in [
            event(types::RUN_REQUESTED, "a", 0, json!({})),
            event(types::APPROVAL_GIVEN, "a", 90_000, json!({"decision": "approve"})),
            event(types::RUN_APPROVED, "a", 90_000, json!({})),
            event(types::TASK_ENDED, "a", 91_000, json!({"phase": "timed_out"})),
            event(types::TASK_ENDED, "a", 91_000, json!({"phase": "no such phase"})),
            event(types::RUN_FAILED, "a", 95_500, json!({})),
            event(types::APPROVAL_GIVEN, "b", 0, json!({"decision": "reject"})),
            // Requested before this server started.
            event(types::RUN_REJECTED, "b", 0, json!({})),
        ] {
            told.hear(&happened);
        }
        let mut page = Page::default();
        told.write(&mut page);
        let text = page.end();
        for line in [
            "synod_runs_ended_total{phase=\"failed\"} 1",
            "synod_runs_ended_total{phase=\"rejected\"} 1",
            "synod_runs_ended_total{phase=\"succeeded\"} 0",
            "synod_tasks_ended_total{phase=\"timed_out\"} 1",
            "synod_approvals_total{decision=\"approve\"} 1",
            "synod_approvals_total{decision=\"reject\"} 1",
            "# TYPE synod_run_approval_duration_seconds histogram",
            "synod_run_approval_duration_seconds_bucket{le=\"60\"} 0",
            "synod_run_approval_duration_seconds_bucket{le=\"600\"} 1",
            "synod_run_approval_duration_seconds_bucket{le=\"+Inf\"} 1",
            "synod_run_approval_duration_seconds_sum 90",
            "synod_run_duration_seconds_sum 5.5",
            "synod_run_duration_seconds_count 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
        assert!(told.open.is_empty(), "what ended is forgotten");
    }

    #[test]
    fn requests_are_counted_by_class() {
        let counters = Counters::default();
        counters.answered(http::StatusCode::OK, Duration::from_millis(3));
        counters.answered(http::StatusCode::CONFLICT, Duration::from_secs(60));
        counters.reported(3);
        counters.malformed();
        let mut page = Page::default();
        counters.write(&mut page);
        let text = page.end();
        for line in [
            "synod_http_requests_total{class=\"2xx\"} 1",
            "synod_http_requests_total{class=\"4xx\"} 1",
            "synod_http_request_duration_seconds_bucket{le=\"0.005\"} 1",
            "synod_http_request_duration_seconds_bucket{le=\"10\"} 1",
            "synod_http_request_duration_seconds_bucket{le=\"+Inf\"} 2",
            "synod_http_request_duration_seconds_sum 60.003",
            "synod_agent_reports_total 3",
            "synod_agent_malformed_total 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
        assert!(resident_bytes().is_none_or(|bytes| bytes > 1 << 20));
    }
}
