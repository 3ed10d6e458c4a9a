//! A node that was taken over: it has a valid certificate, says well-formed nonsense, and changes nothing but its own.

use serde_json::{Value, json};
use synod_db::task::Ended;
use synod_domain::run::Phase;
use synod_domain::task;
use synod_e2e::hostile::{Hostile, finished, outcome, output, segments, started};
use synod_e2e::*;
use synod_protocol::agent::agent_message::Body as Up;
use synod_protocol::agent::{Heartbeat, Hello, Renewal, Report, Reports};
use synod_protocol::http::Page;
use synod_protocol::http::node::Node;
use synod_protocol::http::run::Run;
use synod_protocol::http::task::OutputList;

stories! {
    nobody_tells_of_anothers_task
    of_two_that_tell_of_a_task_its_own_node_counts
    what_was_not_given_out_does_not_begin
    an_end_is_an_end
    a_late_result_comes_once
    an_end_that_is_none_is_left_out
    an_outcome_of_odd_words_can_be_read
    text_that_looks_like_an_escape_is_kept
    output_comes_in_any_order
    absurd_times_can_be_read
    a_stream_begins_once
    a_clock_out_of_this_world_is_refused
    odd_words_in_a_greeting_hold_up_nobody
    facts_that_look_like_an_escape_hold_up_nobody
    a_certificate_for_nonsense_is_not_issued
    a_flood_holds_up_nobody
}

const EPOCH: &str = "1970-01-01T00:00:00Z";

/// All there is to read about a run: its tasks, its output, its events. Whatever was recorded before is in it.
async fn record(h: &Harness, id: &str) -> Value {
    // PostgreSQL's events are numbered in the order of their transactions: what came before this one is there when it is.
    let token = h.join_token(&[], 1).await;
    let subject = format!("join-token/{}", token.info.id);
    until("the last event", async || h.events("&newest=true").await.into_iter().find(|event| event.subject == subject)).await;
    let alice = h.client("alice").await;
    let tasks: Value = alice.get(&format!("{API}/tasks?run={id}")).await.unwrap();
    let output: Value = alice.get(&format!("{API}/runs/{id}/output")).await.unwrap();
    json!({"tasks": tasks["items"], "output": output["items"], "events": h.events(&format!("&run={id}")).await})
}

/// A run of `t` by dave that begins at once.
async fn begun(h: &Harness, inputs: Value) -> Run {
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({"strategy": {"type": "rolling", "size": 1}}))]).await;
    request(&h.client("dave").await, &ask("t", inputs)).await.unwrap()
}

/// Everything a node can report about a task, true or not.
fn everything(task: &str) -> Vec<Report> {
    vec![
        started(task, 1),
        output(task, 0, segments("forged")),
        output(task, 7, segments("forged")),
        finished(task, outcome("succeeded", json!({"reason": "forged"})), &[(1, segments("forged"))]),
        finished(task, outcome("failed", json!({"reason": "forged", "exitCode": 9})), &[(2, segments("forged"))]),
        finished(task, outcome("lost", json!({"reason": "forged"})), &[]),
        finished(task, outcome("refused", json!({"reason": "forged"})), &[]),
    ]
}

/// That nothing changed but that one contradiction was noticed.
async fn contradicted_once(h: &Harness, id: &str, before: &Value) {
    let mut after = record(h, id).await;
    let events = after["events"].as_array_mut().unwrap();
    let known = events.len();
    events.retain(|event| event["type"] != "synod.task.contradicted");
    assert_eq!(known - events.len(), 1, "{after}");
    assert_eq!(after, *before);
}

/// The only task of a run, as it was given to a hostile node.
async fn given(h: &Harness) -> (Hostile, Run, String) {
    let mut mallory = h.hostile("web-1", &[("role", "web")]).await;
    let run = begun(h, json!({})).await;
    let task = mallory.assigned().await.task;
    assert_eq!(task, format!("{}.0", run.summary.id));
    (mallory, run, task)
}

/// That the node of a task can still tell its end, and that it is what it says.
async fn ends_in_truth(h: &Harness, mallory: &mut Hostile, run: &Run, task: &str) {
    mallory.report_and_wait(vec![finished(task, outcome("succeeded", json!({})), &[])]).await;
    let done = ended(&h.client("dave").await, &run.summary.id).await;
    assert_eq!((done.summary.phase, done.tasks.succeeded), (Phase::Succeeded, 1), "{}", done.summary.message);
}

async fn nobody_tells_of_anothers_task(h: Harness) {
    let _honest = h.simulated("web-1", &[("role", "web")]).await;
    let mut mallory = h.hostile("mallory", &[]).await;
    let run = begun(&h, json!({"fake": "hang"})).await;
    let (dave, id) = (h.client("dave").await, &run.summary.id);
    task_in(&dave, id, task::Phase::Started).await;
    let before = record(&h, id).await;
    let tasks = [format!("{id}.0"), format!("{id}.1"), format!("{id}.4294967295"), format!("{id}.00"), "nothing.0".into(), ".0".into(), "a\0b.0".into()];
    for task in &tasks {
        mallory.report_and_wait(everything(task)).await;
    }
    for nonsense in ["", ".", "nothing", "nothing.-1", "nothing.4294967296", "nothing.0x1", "nothing.0 ", "💥.💥"] {
        mallory.report_and_wait(everything(nonsense)).await;
    }
    mallory.report_and_wait(vec![Report { task: format!("{id}.0"), body: None }]).await;
    assert_eq!(record(&h, id).await, before);
    // The task's own node tells how it ends.
    cancel(&dave, id).await.unwrap();
    assert_eq!(ended(&dave, id).await.tasks.cancelled, 1);
    assert!(!record(&h, id).await.to_string().contains("forged"));
}

async fn of_two_that_tell_of_a_task_its_own_node_counts(h: Harness) {
    let (_mallory, run, _) = given(&h).await;
    let id = &run.summary.id;
    let own = h.connected("web-1").await.id;
    let told = |node: &str, phase: &str, reason: &str| Ended {
        run_id: id.clone(),
        idx: 0,
        node_id: node.to_owned(),
        phase: phase.to_owned(),
        started_at: None,
        finished_at: h.clock.now().0,
        exit_code: None,
        reason: reason.to_owned(),
        check_failed: 0,
        detail: "{}".to_owned(),
    };
    // Both in one batch, the other node's last.
    let ended = vec![told("n0", "succeeded", "forged"), told(&own, "failed", "so it was"), told("nffffffff", "succeeded", "forged")];
    let reported = synod_server::ops::task::Reported { ended, ..Default::default() };
    synod_server::ops::task::record(h.app(), reported, h.clock.now()).await.unwrap().carry_out(h.app());
    let found = record(&h, id).await;
    assert_eq!((&found["tasks"][0]["phase"], &found["tasks"][0]["reason"]), (&json!("failed"), &json!("so it was")));
    let told = h.event(&format!("&run={id}"), "synod.task.ended").await;
    assert_eq!((&told.data["phase"], &told.data["reason"]), (&json!("failed"), &json!("so it was")), "the event is not what it tells of");
    assert!(!found.to_string().contains("forged"), "{found}");
}

async fn what_was_not_given_out_does_not_begin(h: Harness) {
    let _honest = h.simulated("web-1", &[("role", "web")]).await;
    let mut mallory = h.hostile("web-2", &[("role", "web")]).await;
    let run = begun(&h, json!({"fake": "hang"})).await;
    let (dave, id) = (h.client("dave").await, &run.summary.id);
    task_in(&dave, id, task::Phase::Started).await;
    let before = record(&h, id).await;
    assert_eq!(phases(&dave, id).await, ["started", "waiting"]);
    mallory.report_and_wait(everything(&format!("{id}.1"))).await;
    assert_eq!(record(&h, id).await, before, "its batch has not come");
    cancel(&dave, id).await.unwrap();
    ended(&dave, id).await;
    let before = record(&h, id).await;
    mallory.report_and_wait(everything(&format!("{id}.1"))).await;
    assert_eq!(record(&h, id).await, before, "it was cancelled before its turn");
}

async fn an_end_is_an_end(h: Harness) {
    let (mut mallory, run, task) = given(&h).await;
    // It never said that it began, and says so only afterwards.
    let first = outcome("failed", json!({"reason": "so it was", "exitCode": 3}));
    mallory.report_and_wait(vec![finished(&task, first.clone(), &[(0, segments("the truth"))])]).await;
    let id = &run.summary.id;
    assert_eq!(ended(&h.client("dave").await, id).await.summary.phase, Phase::Failed);
    h.event(&format!("&run={id}"), "synod.run.failed").await;
    let before = record(&h, id).await;
    assert_eq!((&before["tasks"][0]["exitCode"], &before["tasks"][0]["reason"]), (&json!(3), &json!("so it was")));
    mallory.report_and_wait(vec![finished(&task, first.clone(), &[])]).await;
    assert_eq!(record(&h, id).await, before, "the same end again is none");
    mallory.report_and_wait(everything(&task)).await;
    contradicted_once(&h, id, &before).await;
    // The same once more, as after a lost acknowledgement; and on a new stream.
    mallory.report_and_wait(vec![finished(&task, first, &[(0, segments("the truth"))])]).await;
    let mut again = Hostile::greeted(&mallory.identity, h.hello()).await;
    again.report_and_wait(everything(&task)).await;
    contradicted_once(&h, id, &before).await;
}

async fn a_late_result_comes_once(h: Harness) {
    let (mut mallory, run, task) = given(&h).await;
    let (dave, id) = (h.client("dave").await, &run.summary.id);
    h.clock.shift(11 * 60_000);
    let done = ended(&dave, id).await;
    assert_eq!((done.summary.phase, done.tasks.failed), (Phase::Failed, 1), "the server gave the task up");
    mallory.report_and_wait(vec![finished(&task, outcome("succeeded", json!({"reason": "at last"})), &[(0, segments("late"))])]).await;
    h.event(&format!("&run={id}"), "synod.task.late_result").await;
    let before = record(&h, id).await;
    assert_eq!((&before["tasks"][0]["phase"], before["output"].as_array().unwrap().len()), (&json!("succeeded"), 1), "{before}");
    mallory.report_and_wait(everything(&task)).await;
    contradicted_once(&h, id, &before).await;
    assert_eq!(ended(&dave, id).await.summary.phase, Phase::Failed, "what was decided stays decided");
}

async fn an_end_that_is_none_is_left_out(h: Harness) {
    let (mut mallory, run, task) = given(&h).await;
    let before = record(&h, &run.summary.id).await;
    let mut reports: Vec<Report> = Vec::new();
    for text in ["", "null", "{", "[]", "\"succeeded\"", "{}", "{\"phase\": \"succeeded\"}", "\0", "{\"phase\": \"succ\0eeded\"}"] {
        reports.push(finished(&task, text, &[]));
    }
    reports.push(finished(&task, "[".repeat(100_000), &[]));
    for phase in ["waiting", "assigned", "started", "skipped", "Succeeded", "done", ""] {
        reports.push(finished(&task, outcome(phase, json!({})), &[]));
    }
    for (field, value) in [
        ("finishedAt", json!("soon")),
        ("finishedAt", json!("+999999-01-01T00:00:00Z")),
        ("finishedAt", json!(i64::MAX)),
        ("startedAt", json!("-999999-01-01T00:00:00Z")),
        ("exitCode", json!(1i64 << 40)),
        ("exitCode", json!("0")),
        ("steps", json!([{"name": "one"}])),
        ("steps", json!([{"name": "one", "attempts": -1, "tookMs": 0}])),
        ("warnings", json!([1])),
        ("checkFailed", json!("no")),
    ] {
        reports.push(finished(&task, outcome("succeeded", json!({field: value})), &[]));
    }
    // A good end with output that cannot be read, or more than any agent keeps.
    for text in ["", "null", "[", "[1]", "[{\"step\": 0}]", "[\0]"] {
        reports.push(finished(&task, outcome("succeeded", json!({})), &[(0, text.to_owned())]));
        reports.push(output(&task, 0, text));
    }
    mallory.report_and_wait(reports).await;
    let much = segments(&"x".repeat(1 << 20));
    let chunks: Vec<(u32, String)> = (0..10).map(|n| (n, much.clone())).collect();
    mallory.report_and_wait(vec![finished(&task, outcome("succeeded", json!({})), &chunks)]).await;
    assert_eq!(record(&h, &run.summary.id).await, before);
    ends_in_truth(&h, &mut mallory, &run, &task).await;
}

async fn an_outcome_of_odd_words_can_be_read(h: Harness) {
    let (mut mallory, run, task) = given(&h).await;
    let odd = "\0 \u{1b}[2J \u{202e} \u{fffd} \\u0000 \\";
    let changes = json!({
        "reason": odd, "exitCode": i32::MIN, "warnings": [odd], "outputDigest": odd,
        "steps": [{"name": odd, "attempts": u32::MAX, "tookMs": u64::MAX, "mismatches": [odd]}]
    });
    mallory
        .report_and_wait(vec![started(&task, h.clock.now().0), finished(&task, outcome("failed", changes), &[(0, segments(odd))])])
        .await;
    let (dave, id) = (h.client("dave").await, &run.summary.id);
    assert_eq!(ended(&dave, id).await.tasks.failed, 1);
    let told = tasks(&dave, id).await.remove(0);
    let kept = odd.replace('\0', "\u{fffd}");
    assert_eq!((told.exit_code, told.reason.as_str(), told.warnings.as_slice()), (Some(i32::MIN), kept.as_str(), std::slice::from_ref(&kept)));
    assert_eq!((told.steps[0].name.as_str(), told.steps[0].attempts, told.steps[0].took_ms), (kept.as_str(), u32::MAX, u64::MAX));
    assert_eq!(output_text(&dave, id).await, kept);
    h.event(&format!("&run={id}"), "synod.task.ended").await;
}

async fn text_that_looks_like_an_escape_is_kept(h: Harness) {
    let (mut mallory, run, task) = given(&h).await;
    // Nothing odd about it: a command printed JSON.
    let text = r#"{"name": "a\u0000b"}"#;
    mallory
        .report_and_wait(vec![output(&task, 0, segments(text)), finished(&task, outcome("succeeded", json!({"warnings": [text]})), &[])])
        .await;
    let (dave, id) = (h.client("dave").await, &run.summary.id);
    ended(&dave, id).await;
    let found: Called<OutputList> = dave.get(&format!("{API}/runs/{id}/output")).await;
    let found = found.unwrap_or_else(|e| panic!("the output of the run cannot be read any more: {e:?}"));
    assert_eq!(found.items[0].segments[0].text.as_deref(), Some(text));
    assert_eq!(tasks(&dave, id).await[0].warnings, [text]);
}

async fn output_comes_in_any_order(h: Harness) {
    let (mut mallory, run, task) = given(&h).await;
    let chunks = [(7, "c"), (u32::MAX, "d"), (0, "a"), (1, "b"), (0, "forged"), (u32::MAX, "forged")];
    mallory.report_and_wait(chunks.iter().map(|(chunk, text)| output(&task, *chunk, segments(text))).collect()).await;
    // An end repeats what was sent, with other content: the first stays.
    let repeated = [(0, segments("forged")), (1, segments("b")), (2, segments("e"))];
    mallory.report_and_wait(vec![finished(&task, outcome("succeeded", json!({})), &repeated)]).await;
    let (dave, id) = (h.client("dave").await, &run.summary.id);
    ended(&dave, id).await;
    let mut found: Vec<(u32, String)> = self::output_of(&h, id)
        .await
        .items
        .into_iter()
        .map(|chunk| (chunk.chunk, chunk.segments[0].text.clone().unwrap_or_default()))
        .collect();
    found.sort();
    let expected = [(0, "a"), (1, "b"), (2, "e"), (7, "c"), (u32::MAX, "d")].map(|(chunk, text)| (chunk, text.to_owned()));
    assert_eq!(found, expected);
    // More than any agent keeps, piece by piece.
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    let task = mallory.assigned().await.task;
    let much = segments(&"x".repeat(1 << 20));
    for n in 0..12 {
        mallory.report_and_wait(vec![output(&task, n, much.clone())]).await;
    }
    ends_in_truth(&h, &mut mallory, &run, &task).await;
    let kept: usize = output_of(&h, &run.summary.id).await.items.iter().flat_map(|c| &c.segments).map(|s| s.bytes().len()).sum();
    assert!((1..=8 << 20).contains(&kept), "{kept} bytes of one task are kept");
}

async fn output_of(h: &Harness, id: &str) -> OutputList {
    h.client("alice").await.get(&format!("{API}/runs/{id}/output")).await.unwrap()
}

async fn absurd_times_can_be_read(h: Harness) {
    let mut mallory = h.hostile("web-1", &[("role", "web")]).await;
    h.shop("dave:requester").await;
    h.apply(vec![free("t", json!({}))]).await;
    let dave = h.client("dave").await;
    for at in [i64::MIN, i64::MAX, -1, 253_402_300_800_000, -377_705_116_800_001] {
        let run = request(&dave, &ask("t", json!({}))).await.unwrap();
        let task = mallory.assigned().await.task;
        mallory.report_and_wait(vec![started(&task, at)]).await;
        let page: Called<Page<synod_protocol::http::task::Task>> = dave.get(&format!("{API}/tasks?run={}", run.summary.id)).await;
        let told = page.unwrap_or_else(|e| panic!("begun at {at}: the tasks of the run cannot be read any more: {e:?}")).items.remove(0);
        assert_eq!(told.phase, task::Phase::Started, "begun at {at}");
        // It ends before it began.
        let ends = outcome("succeeded", json!({"startedAt": "9999-12-30T00:00:00Z", "finishedAt": EPOCH}));
        mallory.report_and_wait(vec![finished(&task, ends, &[])]).await;
        let done = ended(&dave, &run.summary.id).await;
        assert_eq!((done.summary.phase, done.tasks.succeeded), (Phase::Succeeded, 1), "begun at {at}");
        assert_eq!(tasks(&dave, &run.summary.id).await.len(), 1);
    }
}

async fn a_stream_begins_once(h: Harness) {
    let identity = h.identity("web-1", &[]).await;
    let beat = || Up::Heartbeat(Heartbeat { clock_ms: 0, facts_json: String::new(), ..Heartbeat::default() });
    for first in [None, Some(beat()), Some(Up::Reports(Reports { reports: everything("a.0") })), Some(Up::Renewal(Renewal { csr_pem: String::new() }))] {
        let status = Hostile::begin(&identity, first).await.err().expect("the server talks with one who does not greet");
        assert_eq!((status.code(), status.message()), (tonic::Code::InvalidArgument, "the first message must be Hello"));
    }
    for second in [Some(Up::Hello(h.hello())), None] {
        let mut stream = Hostile::greeted(&identity, h.hello()).await;
        h.connected("web-1").await;
        stream.say(second).await;
        assert_eq!(stream.goodbye().await.code, "SYN-5006");
        stream.ended().await;
        h.disconnected("web-1").await;
    }
    // The newer of two streams counts; the older one ends.
    let mut older = Hostile::greeted(&identity, h.hello()).await;
    let mut newer = Hostile::greeted(&identity, h.hello()).await;
    older.ended().await;
    newer.report_and_wait(Vec::new()).await;
}

async fn a_clock_out_of_this_world_is_refused(h: Harness) {
    let identity = h.identity("web-1", &[]).await;
    for clock_ms in [i64::MAX, i64::MIN, i64::MIN + 1, 0, -1] {
        let begun = Hostile::begin(&identity, Some(Up::Hello(Hello { clock_ms, ..h.hello() }))).await;
        let mut stream = begun.unwrap_or_else(|status| panic!("{clock_ms}: {status}"));
        let goodbye = stream.goodbye().await;
        assert_eq!((goodbye.code.as_str(), goodbye.retry), ("SYN-5003", false), "{clock_ms}: {}", goodbye.message);
    }
    let _agent = h.simulated("web-2", &[]).await;
}

async fn odd_words_in_a_greeting_hold_up_nobody(h: Harness) {
    let identity = h.identity("mallory", &[]).await;
    let mut stream = Hostile::greeted(&identity, Hello { version: "1\0\u{202e}".repeat(10_000), ..h.hello() }).await;
    stream
        .say(Some(Up::Heartbeat(Heartbeat { clock_ms: i64::MIN, facts_json: "{\"os\": \"\\u0000\"}".into(), ..Heartbeat::default() })))
        .await;
    let _agent = h.simulated("web-1", &[]).await;
    h.connected("mallory").await;
    for facts in ["", "null", "{", "[]", "{}", "\0", &"[".repeat(100_000), &json!({"os": "x".repeat(1 << 20)}).to_string()] {
        let journalled = vec![String::new(), ".".into(), "a\0b.0".into(), format!("{}.0", "x".repeat(100_000)), "nothing.4294967296".into()];
        stream = Hostile::greeted(&identity, Hello { facts_json: facts.to_owned(), journalled, ..h.hello() }).await;
        stream.say(Some(Up::Heartbeat(Heartbeat { clock_ms: 0, facts_json: facts.to_owned(), ..Heartbeat::default() }))).await;
        stream.report_and_wait(Vec::new()).await;
    }
    let node = h.connected("mallory").await;
    assert!(node.version.len() < 1000, "a version of {} bytes is kept", node.version.len());
    assert!(node.facts.to_string().len() < 64 * 1024 && node.facts["os"].is_string(), "{}", node.facts);
    let _agent = h.simulated("web-2", &[]).await;
}

async fn facts_that_look_like_an_escape_hold_up_nobody(h: Harness) {
    let mallory = h.hostile("mallory", &[]).await;
    let facts = json!({"os": r"a\u0000b", "arch": "\0", "kernel": "told"});
    mallory.say(Some(Up::Heartbeat(Heartbeat { clock_ms: 0, facts_json: facts.to_string(), ..Heartbeat::default() }))).await;
    let alice = h.client("alice").await;
    let node = until("the new facts, or a refusal", async || {
        let node: Called<Node> = alice.get(&format!("{API}/nodes/mallory")).await;
        node.map_or_else(|e| Some(Err(e)), |node| (node.facts["kernel"] == "told").then_some(Ok(node)))
    })
    .await;
    let node = node.unwrap_or_else(|e| panic!("the node cannot be read any more: {e:?}"));
    assert_eq!(node.facts["os"], r"a\u0000b");
    let _agent = h.simulated("web-1", &[("role", "web")]).await;
    let run = begun(&h, json!({})).await;
    assert_eq!(ended(&alice, &run.summary.id).await.summary.phase, Phase::Succeeded, "runs find their nodes");
}

async fn a_certificate_for_nonsense_is_not_issued(h: Harness) {
    let mut mallory = h.hostile("web-1", &[]).await;
    let before = h.connected("web-1").await.certificate_expires_at;
    h.clock.shift(1000);
    let another_key = h.identity("web-2", &[]).await.renewal().unwrap();
    for csr_pem in [String::new(), "\0".into(), "x".repeat(1 << 20), mallory.identity.certificate_pem().to_owned(), another_key] {
        mallory.say(Some(Up::Renewal(Renewal { csr_pem }))).await;
    }
    mallory.report_and_wait(Vec::new()).await;
    assert_eq!(h.connected("web-1").await.certificate_expires_at, before);
    assert!(h.events("").await.iter().all(|event| event.kind != "synod.node.certificate_renewed"));
    mallory.say(Some(Up::Renewal(Renewal { csr_pem: mallory.identity.renewal().unwrap() }))).await;
    h.event("", "synod.node.certificate_renewed").await;
}

async fn a_flood_holds_up_nobody(h: Harness) {
    let _honest = h.webs(3).await;
    let identity = h.identity("mallory", &[]).await;
    let mut mallory = Hostile::greeted(&identity, h.hello()).await;
    let run = begun(&h, json!({"fake": "slow:100ms,output:640"})).await;
    let (dave, id) = (h.client("dave").await, run.summary.id);
    let foreign = format!("{id}.0");
    let flood = async {
        for n in 0..30 {
            let mut reports: Vec<Report> = (0..50).flat_map(|_| everything(&foreign)).collect();
            reports.extend((0..150).flat_map(|m| everything(&format!("nothing{n}-{m}.0"))));
            reports.extend(everything("a\0b.0"));
            mallory.report(reports).await;
        }
        mallory.report_and_wait(Vec::new()).await;
    };
    let (done, ()) = tokio::join!(ended(&dave, &id), flood);
    assert_eq!((done.summary.phase, done.tasks.succeeded), (Phase::Succeeded, 3), "{}", done.summary.message);
    assert_eq!(output_text(&dave, &id).await.len(), 3 * 640);
    let found = record(&h, &id).await;
    assert!(!found.to_string().contains("forged"), "{found}");
    assert_eq!(found["events"].as_array().unwrap().iter().filter(|e| e["type"] == "synod.task.ended").count(), 3);
    // A message beyond any bound ends the stream it comes on, and no other.
    mallory.report(vec![output(&foreign, 0, "x".repeat(17 << 20))]).await;
    mallory.ended().await;
    h.disconnected("mallory").await;
    h.connected_count(3).await;
}
