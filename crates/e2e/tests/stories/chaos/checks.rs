//! The invariants, checked from the log of events, the API, and the marks that steps left on their nodes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use serde::de::DeserializeOwned;
use serde_json::json;
use synod_domain::approval::Decision;
use synod_domain::event::{Event, types};
use synod_domain::run::Phase;
use synod_domain::task::{self, Stream};
use synod_protocol::http::Page;
use synod_protocol::http::run::{Run, RunSummary};
use synod_protocol::http::task::{OutputList, Task};

use super::load::{self, Asked, Desk, call};

/// All there is to read when everything has come to its end.
pub struct Found {
    runs: BTreeMap<String, Run>,
    tasks: BTreeMap<String, Vec<Task>>,
    events: Vec<Event>,
}

impl Found {
    /// How it went, in a line.
    pub fn summary(&self) -> String {
        let mut runs: BTreeMap<&str, u32> = BTreeMap::new();
        let mut tasks: BTreeMap<&str, u32> = BTreeMap::new();
        self.runs.values().for_each(|run| *runs.entry(run.summary.phase.name()).or_default() += 1);
        self.tasks.values().flatten().for_each(|task| *tasks.entry(task.phase.name()).or_default() += 1);
        let late = self.events.iter().filter(|e| e.kind == types::TASK_LATE).count();
        format!("runs {runs:?}, tasks {tasks:?}, {late} late results, {} events", self.events.len())
    }
}

async fn read<T: DeserializeOwned>(desk: &Desk, path: &str) -> T {
    let said = call(&desk.admin, Method::GET, path, None, None).await;
    let value = said.answer.unwrap_or_else(|e| panic!("GET {path}: {e:?}"));
    serde_json::from_value(value).unwrap_or_else(|e| panic!("GET {path}: {e}"))
}

async fn runs(desk: &Desk) -> Vec<RunSummary> {
    let mut all = Vec::new();
    let mut path = "/runs?limit=500".to_owned();
    loop {
        let page: Page<RunSummary> = read(desk, &path).await;
        all.extend(page.items);
        match page.next {
            Some(next) => path = format!("/runs?limit=500&cursor={next}"),
            None => return all,
        }
    }
}

async fn events(desk: &Desk) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    loop {
        let after = all.last().map_or(0, |e| e.position);
        let page: Page<Event> = read(desk, &format!("/events?after={after}&limit=1000")).await;
        if page.items.is_empty() {
            return all;
        }
        all.extend(page.items);
    }
}

fn entered(kind: &str) -> Option<Phase> {
    Some(match kind {
        types::RUN_REQUESTED => Phase::Pending,
        types::RUN_APPROVED => Phase::Approved,
        types::RUN_STARTED => Phase::Running,
        types::RUN_SUCCEEDED => Phase::Succeeded,
        types::RUN_FAILED => Phase::Failed,
        types::RUN_CANCELLED => Phase::Cancelled,
        types::RUN_REJECTED => Phase::Rejected,
        types::RUN_EXPIRED => Phase::Expired,
        _ => return None,
    })
}

/// Waits until every run has ended and every end is in the log, and reads everything. What has not ended by then
/// is found by the checks.
pub async fn settled(desk: &Desk, until: Instant) -> Found {
    loop {
        let listed = runs(desk).await;
        if (listed.is_empty() || listed.iter().any(|run| !run.phase.ended())) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(250)).await;
            continue;
        }
        let events = events(desk).await;
        let ends = events.iter().filter(|e| entered(&e.kind).is_some_and(Phase::ended)).count();
        if ends < listed.len() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(250)).await;
            continue;
        }
        let (mut runs, mut tasks) = (BTreeMap::new(), BTreeMap::new());
        for run in listed {
            let run: Run = read(desk, &format!("/runs/{}", run.id)).await;
            let page: Page<Task> = read(desk, &format!("/tasks?run={}", run.summary.id)).await;
            tasks.insert(run.summary.id.clone(), page.items);
            runs.insert(run.summary.id.clone(), run);
        }
        return Found { runs, tasks, events };
    }
}

/// A line that a step left: run, task, node, step.
type Mark = (String, String, String, String);

fn read_marks(dir: &Path, wrong: &mut Vec<String>) -> BTreeMap<Mark, u32> {
    let mut marks = BTreeMap::new();
    for node in super::NODES {
        let text = std::fs::read_to_string(dir.join(node)).unwrap_or_default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                [run, task, on, step] if *on == node => {
                    *marks.entry(((*run).to_owned(), (*task).to_owned(), node.to_owned(), (*step).to_owned())).or_default() += 1;
                }
                _ => wrong.push(format!("a mark on {node} cannot be read: {line:?}")),
            }
        }
    }
    marks
}

/// Checks everything; what is returned must not be.
pub async fn all(desk: &Desk, asked: &[Asked], found: &Found, marks: &Path, seed: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    let marks = read_marks(marks, &mut wrong);
    positions(found, &mut wrong);
    requests(desk, asked, found, seed, &mut wrong).await;
    decisions(asked, found, &mut wrong);
    paths(found, &mut wrong);
    task_events(found, &mut wrong);
    executions(found, &marks, &mut wrong);
    outputs(desk, found, &mut wrong).await;
    wrong
}

fn positions(found: &Found, wrong: &mut Vec<String>) {
    for (n, event) in found.events.iter().enumerate() {
        if event.position != n as u64 + 1 {
            wrong.push(format!("the log has a gap: place {} holds position {}", n + 1, event.position));
            return;
        }
    }
}

/// Every acknowledged request exists exactly once, is what was asked for, and has ended; asking again yields the same.
async fn requests(desk: &Desk, asked: &[Asked], found: &Found, seed: u64, wrong: &mut Vec<String>) {
    let mut by_reason: HashMap<&str, Vec<&Run>> = HashMap::new();
    for run in found.runs.values() {
        by_reason.entry(&run.summary.reason).or_default().push(run);
    }
    for one in asked {
        match by_reason.remove(one.tag.as_str()).unwrap_or_default().as_slice() {
            [run] if run.summary.id == one.run && run.digest == one.digest && run.summary.template == one.template => {}
            [] => wrong.push(format!("an acknowledged request is gone: {one:?}")),
            other => wrong.push(format!("{one:?} is {} runs: {:?}", other.len(), other.iter().map(|r| &r.summary).collect::<Vec<_>>())),
        }
    }
    // Requests are repeated until acknowledged, so there is nothing else.
    wrong.extend(by_reason.into_values().flatten().map(|run| format!("nobody was told of this run: {:?}", run.summary)));
    for run in found.runs.values().filter(|run| !run.summary.phase.ended()) {
        wrong.push(format!("a run has not ended: {:?} {:?}, tasks {:?}", run.summary, run.tasks, found.tasks[&run.summary.id]));
    }
    for one in asked.iter().skip(usize::try_from(seed % 7).unwrap_or_default()).step_by(7) {
        let body = json!({"namespace": "shop", "template": one.template, "inputs": {"tag": one.tag}, "reason": one.tag});
        let said = call(desk.of("dave"), Method::POST, "/runs", Some(&one.tag), Some(&body)).await;
        if said.answer.as_ref().ok().and_then(|run| run["id"].as_str()) != Some(&one.run) {
            wrong.push(format!("asking again for {one:?} yields {:?}", said.answer));
        }
    }
}

/// Every acknowledged decision is recorded once, by the person, on that digest; what was decided came to pass.
fn decisions(asked: &[Asked], found: &Found, wrong: &mut Vec<String>) {
    let mut given: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for event in found.events.iter().filter(|e| e.kind == types::APPROVAL_GIVEN) {
        *given.entry((event.run.as_deref().unwrap_or_default(), &event.actor)).or_default() += 1;
    }
    wrong.extend(given.iter().filter(|(_, n)| **n != 1).map(|(who, n)| format!("a decision is recorded {n} times: {who:?}")));
    wrong.extend(given.keys().filter(|(_, actor)| *actor == "user:dave").map(|who| format!("the requester's own decision is recorded: {who:?}")));
    for one in asked {
        let Some(run) = found.runs.get(&one.run) else { continue };
        for (person, decision) in &one.decisions {
            let kept = run.approvals.iter().any(|a| a.person == *person && a.decision == *decision && a.digest == one.digest);
            let word = if *decision == Decision::Approve { "approve" } else { "reject" };
            let logged = found.events.iter().any(|e| {
                e.kind == types::APPROVAL_GIVEN
                    && e.run.as_deref() == Some(&*one.run)
                    && e.actor == format!("user:{person}")
                    && e.data["decision"] == word
                    && e.data["digest"] == one.digest
            });
            if !kept || !logged {
                wrong.push(format!("the acknowledged decision of {person} on {one:?} is not recorded (API: {kept}, log: {logged})"));
            }
        }
        let expected = match one.template {
            _ if one.cancelled => Some(Phase::Cancelled),
            "reject" => Some(Phase::Rejected),
            "starved" => Some(Phase::Expired),
            "failing" => Some(Phase::Failed),
            // Of these up to three nodes may fail; one and all may be lost.
            "quick" | "output" | "two" | "rolling" | "mixed" | "calm" | "after" => Some(Phase::Succeeded),
            _ => None,
        };
        if expected.is_some_and(|phase| phase != run.summary.phase) {
            wrong.push(format!("{one:?} should be {expected:?}: {:?} {:?}", run.summary, run.tasks));
        }
    }
}

/// Each run took a legal path, was approved at most once and by enough people, and nothing came after its end.
fn paths(found: &Found, wrong: &mut Vec<String>) {
    for (id, run) in &found.runs {
        let mine: Vec<&Event> = found.events.iter().filter(|e| e.run.as_deref() == Some(id)).collect();
        let mut phase: Option<Phase> = None;
        let mut approvers: BTreeSet<&str> = BTreeSet::new();
        for event in &mine {
            if event.kind == types::APPROVAL_GIVEN && event.data["decision"] == "approve" && event.data["digest"] == run.digest {
                approvers.insert(&event.actor);
            }
            if phase.is_some_and(Phase::ended) && event.kind != types::TASK_LATE {
                wrong.push(format!("run {id} goes on after its end: {} at {}", event.kind, event.position));
            }
            if (event.kind.starts_with("synod.task.") || event.kind == types::RUN_BATCH) && !phase.is_some_and(|p| p == Phase::Running || p.ended()) {
                wrong.push(format!("run {id} does something while it is {phase:?}: {} at {}", event.kind, event.position));
            }
            let Some(next) = entered(&event.kind) else { continue };
            match phase {
                None if next == Phase::Pending => {}
                Some(before) if before.may_become(next) => {}
                _ => wrong.push(format!("run {id} goes from {phase:?} to {next} at {}", event.position)),
            }
            if next == Phase::Approved && approvers.len() < load::quorum(&run.summary.template) {
                wrong.push(format!("run {id} ({}) is approved by {approvers:?} only", run.summary.template));
            }
            phase = Some(next);
        }
        if phase != Some(run.summary.phase) {
            wrong.push(format!("run {id} is {} and by its events {phase:?}", run.summary.phase));
        }
        if mine.iter().filter(|e| e.kind == types::RUN_APPROVED).count() > 1 {
            wrong.push(format!("run {id} is approved more than once"));
        }
        let tasks = &found.tasks[id];
        if run.summary.phase.ended() {
            wrong.extend(tasks.iter().filter(|t| !t.phase.ended()).map(|t| format!("run {id} is {} with an open task: {t:?}", run.summary.phase)));
        }
        let has_begun = mine.iter().any(|e| e.kind == types::RUN_STARTED);
        if tasks.len() != if has_begun { super::NODES.len() } else { 0 } {
            wrong.push(format!("run {id} has {} tasks, begun: {has_begun}", tasks.len()));
        }
    }
}

/// Each task began at most once, ended at most once and in this order, and the log says what the API says.
fn task_events(found: &Found, wrong: &mut Vec<String>) {
    let mut by_task: HashMap<&str, Vec<&Event>> = HashMap::new();
    for event in found.events.iter().filter(|e| e.kind.starts_with("synod.task.")) {
        by_task.entry(event.subject.trim_start_matches("task/")).or_default().push(event);
    }
    for task in found.tasks.values().flatten() {
        let events = by_task.remove(task.id.as_str()).unwrap_or_default();
        let kinds: Vec<&str> = events.iter().map(|e| e.kind.as_str()).collect();
        let ended = |kind: &str| [types::TASK_ENDED, types::TASK_REFUSED].contains(&kind);
        let legal = match kinds.as_slice() {
            // Left out, or cancelled before its turn: the run's own events say so.
            [] => matches!(task.phase, task::Phase::Skipped | task::Phase::Cancelled),
            [end] | [types::TASK_STARTED, end] | [end, types::TASK_LATE] | [types::TASK_STARTED, end, types::TASK_LATE] => ended(end),
            _ => false,
        };
        let last = events.last().and_then(|e| e.data["phase"].as_str());
        if !legal || last.is_some_and(|phase| phase != task.phase.name()) {
            let story: Vec<String> = events.iter().map(|e| format!("{} {} at {}", e.kind, e.data, e.position)).collect();
            wrong.push(format!("the events of {task:?} are {story:?}"));
        }
    }
    wrong.extend(by_task.into_keys().map(|task| format!("events of a task nobody knows: {task}")));
}

/// Nothing ran twice, nothing ran without consent, and what ran is told as what it was.
fn executions(found: &Found, marks: &BTreeMap<Mark, u32>, wrong: &mut Vec<String>) {
    use task::Phase::{Cancelled, Failed, Lost, Refused, Skipped, Succeeded, TimedOut};
    wrong.extend(marks.iter().filter(|(_, n)| **n > 1).map(|(mark, n)| format!("executed {n} times: {mark:?}")));
    let tasks: HashMap<&str, &Task> = found.tasks.values().flatten().map(|t| (t.id.as_str(), t)).collect();
    let mut places: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (run, name, node, step) in marks.keys() {
        places.entry((run, node)).or_default().insert(name);
        let Some(task) = tasks.get(name.as_str()).filter(|t| t.run == *run && t.node == *node) else {
            wrong.push(format!("executed without a task: {name} on {node}"));
            continue;
        };
        if matches!(task.template.as_str(), "reject" | "starved") {
            wrong.push(format!("executed without consent: {task:?}"));
        }
        // Nothing but its agent's death can keep a task from the end its script has.
        let possible: &[task::Phase] = match task.template.as_str() {
            "failing" => &[Failed, Lost],
            "mixed" if task.node == "n2" => &[Failed, Lost],
            "slow" => &[Succeeded, Cancelled, Lost],
            _ => &[Succeeded, Lost],
        };
        if !possible.contains(&task.phase) {
            wrong.push(format!("executed ({step}), and told as: {task:?}"));
        }
    }
    wrong.extend(
        places
            .into_iter()
            .filter(|(_, names)| names.len() > 1)
            .map(|(place, names)| format!("two tasks at one place: {place:?} {names:?}")),
    );
    // While no process died, nothing may suffer.
    let calm = found.tasks.values().flatten().filter(|t| matches!(t.template.as_str(), "calm" | "after") && t.phase != Succeeded);
    wrong.extend(calm.map(|task| format!("no process died, and yet: {task:?}")));
    for task in found.tasks.values().flatten() {
        let left = |step: &str| marks.contains_key(&(task.run.clone(), task.id.clone(), task.node.clone(), step.to_owned()));
        let ran = load::marks(&task.template).iter().filter(|step| left(step)).count();
        let right = match task.phase {
            Succeeded => ran == load::marks(&task.template).len(),
            Skipped | Refused => ran == 0,
            // Failed without having run: the node did not begin in time.
            Failed if ran == 0 => task.reason.contains("did not begin in time"),
            TimedOut => false,
            _ => true,
        };
        // A node that was connected never forgets, and no task is offered to it twice.
        let odd = task.reason.contains("no record") || task.phase == Refused && !task.reason.starts_with("too-late");
        if !right || odd {
            wrong.push(format!("{ran} steps left their mark, and it is told as: {task:?}"));
        }
    }
}

/// What a task has written whose scripts ran to their end, well or not, is all there, in order, once; of any other, what is there
/// is the beginning of it.
async fn outputs(desk: &Desk, found: &Found, wrong: &mut Vec<String>) {
    for (id, tasks) in &found.tasks {
        if tasks.iter().all(|t| t.started_at.is_none()) {
            continue;
        }
        let output: OutputList = read(desk, &format!("/runs/{id}/output")).await;
        for task in tasks {
            let said = |stream| -> String {
                let segments = output.items.iter().filter(|chunk| chunk.task == task.id).flat_map(|chunk| &chunk.segments);
                segments.filter(|s| s.stream == stream).filter_map(|s| s.text.as_deref()).collect()
            };
            let expected = load::output(&task.template, &task.node, &found.runs[id].summary.reason);
            let said = (said(Stream::Stdout), said(Stream::Stderr));
            let whole = task.phase == task::Phase::Succeeded || task.phase == task::Phase::Failed && task.started_at.is_some();
            let begins = expected.0.starts_with(&said.0) && expected.1.starts_with(&said.1);
            if if whole { said != expected } else { !begins } {
                wrong.push(format!("{} ({}) wrote {said:?} instead of {expected:?}", task.id, task.template));
            }
        }
    }
}
