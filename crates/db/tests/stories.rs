//! The same stories on both databases.

mod place;

use std::collections::BTreeMap;

use serde_json::json;
use synod_db::task::{Ended, NewOutput, Sort, Started};
use synod_db::{Db, Query, access, approval, backup, event, meta, node, object, params, run, session, task, user};
use synod_domain::approval::Decision;
use synod_domain::event::{NewEvent, types};
use synod_domain::object::Kind;
use synod_domain::run::Phase;
use synod_domain::{Timestamp, task::Phase as TaskPhase};

use place::{Place, machine, postgres, sqlite, stories};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

stories! {
    opening_twice_keeps_everything
    what_is_committed_is_on_disk
    a_newer_schema_is_refused
    a_transaction_not_committed_never_happened
    users_and_failures
    sessions_end_when_revoked
    objects_keep_their_revisions
    a_join_token_is_used_as_often_as_it_says
    a_run_goes_its_way
    only_the_own_node_reports
    late_results_are_kept
    contradictions_are_noticed_once
    idempotency_keys_are_taken_once
    positions_have_no_gaps
    events_are_filtered
    a_backup_restores_everything
    a_damaged_backup_is_refused
    a_backup_of_another_schema_says_what_to_do
}

async fn opening_twice_keeps_everything(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    assert_eq!(meta::set_once(&mut tx, "a", "1").await.unwrap(), "1");
    assert_eq!(meta::set_once(&mut tx, "a", "2").await.unwrap(), "1");
    tx.commit().await.unwrap();
    let again = Db::open(&place.url).await.unwrap();
    assert_eq!(meta::get(&mut again.reader().await.unwrap(), "a").await.unwrap().as_deref(), Some("1"));
}

/// A process that is killed loses nothing whatever these say; a machine that loses its power does.
async fn what_is_committed_is_on_disk(place: Place) {
    let (question, answer) = match place.db.dialect() {
        synod_db::Dialect::Sqlite => ("PRAGMA synchronous", "2"),
        synod_db::Dialect::Postgres => {
            let mut tx = place.db.begin().await.unwrap();
            let name = place.url.rsplit_once('/').unwrap().1;
            tx.execute(format!("ALTER DATABASE {name} SET synchronous_commit = off"), params![]).await.unwrap();
            tx.commit().await.unwrap();
            ("SHOW synchronous_commit", "on")
        }
    };
    let again = Db::open(&place.url).await.unwrap();
    let read = again.reader().await.unwrap().first(question, params![]).await.unwrap().unwrap().text(0);
    let written = again.begin().await.unwrap().first(question, params![]).await.unwrap().unwrap().text(0);
    assert_eq!((read.as_str(), written.as_str()), (answer, answer));
}

async fn a_newer_schema_is_refused(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    meta::set(&mut tx, "schema_version", "999").await.unwrap();
    tx.commit().await.unwrap();
    let error = Db::open(&place.url).await.err().unwrap();
    assert!(error.code().id == "SYN-9002" && error.message().contains("999") && error.message().contains("run the newer program"), "{error}");
}

async fn a_transaction_not_committed_never_happened(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    meta::set(&mut tx, "gone", "1").await.unwrap();
    drop(tx);
    assert_eq!(meta::get(&mut place.db.reader().await.unwrap(), "gone").await.unwrap(), None);
}

fn person(name: &str) -> user::User {
    user::User {
        name: name.into(),
        display_name: String::new(),
        service_account: false,
        enabled: true,
        password_hash: Some("h".into()),
        totp_sealed: None,
        totp_confirmed: false,
        totp_last_step: 0,
        created_at: NOW,
    }
}

async fn users_and_failures(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    let before = access::version(&mut tx).await.unwrap();
    assert!(user::insert(&mut tx, &person("ann")).await.unwrap());
    assert!(!user::insert(&mut tx, &person("ann")).await.unwrap(), "a name is given once");
    assert!(access::version(&mut tx).await.unwrap() > before);
    assert!(user::take_totp_step(&mut tx, "ann", 5).await.unwrap());
    assert!(!user::take_totp_step(&mut tx, "ann", 5).await.unwrap(), "no code is taken twice");
    assert!(!user::take_totp_step(&mut tx, "ann", 4).await.unwrap());
    for n in 1..=3 {
        user::failed(&mut tx, "k", NOW, 1000).await.unwrap();
        assert_eq!(user::failures(&mut tx, "k").await.unwrap().0, n);
    }
    user::failed(&mut tx, "k", Timestamp(NOW.0 + 2000), 1000).await.unwrap();
    assert_eq!(user::failures(&mut tx, "k").await.unwrap().0, 1, "counting starts anew");
    tx.commit().await.unwrap();
}

async fn sessions_end_when_revoked(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    user::insert(&mut tx, &person("ann")).await.unwrap();
    let one = session::Session {
        id: "s1".into(),
        user: "ann".into(),
        csrf: "c".into(),
        client: "t".into(),
        created_at: NOW,
        expires_at: Timestamp(NOW.0 + 10),
        stepped_up_at: None,
        revoked_at: None,
    };
    session::insert(&mut tx, &one).await.unwrap();
    assert_eq!(session::of_user(&mut tx, "ann", NOW).await.unwrap().len(), 1);
    assert!(!session::revoke(&mut tx, "bob", "s1", NOW).await.unwrap(), "nobody ends another's session");
    assert!(session::revoke(&mut tx, "ann", "s1", NOW).await.unwrap());
    assert!(session::get(&mut tx, "s1").await.unwrap().unwrap().0.revoked_at.is_some());
    assert!(session::of_user(&mut tx, "ann", NOW).await.unwrap().is_empty());
    tx.commit().await.unwrap();
}

fn stored(kind: Kind, namespace: Option<&str>, name: &str, revision: u64) -> object::Stored {
    object::Stored {
        kind,
        namespace: namespace.map(str::to_owned),
        name: name.into(),
        revision,
        labels: BTreeMap::new(),
        spec: json!({"n": revision}),
        digest: format!("d{revision}"),
        author: "ann".into(),
        updated_at: NOW,
        deleted: false,
    }
}

async fn objects_keep_their_revisions(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    for revision in 1..=3 {
        object::put(&mut tx, &stored(Kind::Template, Some("shop"), "restart", revision)).await.unwrap();
    }
    object::put(&mut tx, &stored(Kind::Template, Some("shop"), "other", 1)).await.unwrap();
    let newest = object::get(&mut tx, Kind::Template, Some("shop"), "restart").await.unwrap().unwrap();
    assert_eq!((newest.revision, newest.spec), (3, json!({"n": 3})));
    assert_eq!(object::revision(&mut tx, Kind::Template, Some("shop"), "restart", 1).await.unwrap().unwrap().spec, json!({"n": 1}));
    assert_eq!(object::revisions(&mut tx, Kind::Template, Some("shop"), "restart").await.unwrap().len(), 3);
    assert_eq!(object::list(&mut tx, Kind::Template).await.unwrap().len(), 2);
    assert!(object::any_in(&mut tx, "shop").await.unwrap().is_some());
    let gone = object::Stored { revision: 4, deleted: true, ..stored(Kind::Template, Some("shop"), "restart", 4) };
    object::put(&mut tx, &gone).await.unwrap();
    assert!(object::get(&mut tx, Kind::Template, Some("shop"), "restart").await.unwrap().is_none());
    assert!(object::lock(&mut tx, Kind::Template, Some("shop"), "restart").await.unwrap().unwrap().deleted);
    tx.commit().await.unwrap();
}

async fn a_join_token_is_used_as_often_as_it_says(place: Place) {
    let token = node::JoinToken {
        id: "t".into(),
        hash: "h".into(),
        labels: BTreeMap::from([("role".into(), "web".into())]),
        uses_left: 2,
        expires_at: Timestamp(NOW.0 + 10),
        created_by: "ann".into(),
        created_at: NOW,
        revoked_at: None,
    };
    let mut tx = place.db.begin().await.unwrap();
    node::insert_token(&mut tx, &token).await.unwrap();
    assert!(node::use_token(&mut tx, "wrong", NOW).await.unwrap().is_none());
    assert_eq!(node::use_token(&mut tx, "h", NOW).await.unwrap().unwrap().uses_left, 1);
    assert!(node::use_token(&mut tx, "h", Timestamp(NOW.0 + 10)).await.unwrap().is_none(), "expired");
    assert!(node::use_token(&mut tx, "h", NOW).await.unwrap().is_some());
    assert!(node::use_token(&mut tx, "h", NOW).await.unwrap().is_none(), "used up");
    tx.commit().await.unwrap();
}

fn request(id: &str, key: Option<&str>) -> run::Run {
    run::Run {
        id: id.into(),
        namespace: "shop".into(),
        template: "restart".into(),
        revision: 1,
        title: "Restart".into(),
        requester: "dave".into(),
        author: "ann".into(),
        reason: "r".into(),
        phase: Phase::Pending,
        digest: "sha256:x".into(),
        manifest: "{}".into(),
        node_count: 3,
        created_at: NOW,
        approve_by: NOW,
        not_before: None,
        started_at: None,
        finished_at: None,
        message: String::new(),
        batches: 0,
        batch_ended_at: None,
        gates_opened: 0,
        at_gate: false,
        cancelling: false,
        cancelled_by: None,
        wake_at: Some(NOW),
        replay_of: None,
        idempotency_key: key.map(str::to_owned),
        idempotency_hash: key.map(|_| "h".into()),
        break_glass: None,
        ratification: None,
    }
}

fn nodes() -> Vec<run::RunNode> {
    (0..3)
        .map(|n| run::RunNode { idx: n, node_id: format!("n{n}"), node_name: format!("web-{n}"), sealed_secrets: (n == 1).then(|| "c2VhbGVk".into()) })
        .collect()
}

fn end(idx: u32, node: &str, phase: TaskPhase) -> Ended {
    Ended {
        run_id: "r1".into(),
        idx,
        node_id: node.into(),
        phase: phase.name().into(),
        started_at: Some(NOW.0),
        finished_at: NOW.0 + 5,
        exit_code: Some(0),
        reason: String::new(),
        check_failed: u8::from(phase == TaskPhase::Failed),
        detail: "{\"warnings\":[\"w\"]}".into(),
    }
}

async fn a_run_goes_its_way(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    assert!(run::insert(&mut tx, &request("r1", None), &nodes()).await.unwrap());
    let decision = approval::Approval {
        person: "bob".into(),
        decision: Decision::Approve,
        digest: "sha256:x".into(),
        comment: "ok".into(),
        at: NOW,
        signature: None,
        rules: [0, 2].into(),
    };
    assert_eq!(approval::list_with_access(&mut tx, "r1").await.unwrap(), (vec![], 0));
    approval::insert(&mut tx, "r1", &decision);
    assert_eq!(approval::list(&mut tx, "r1").await.unwrap(), std::slice::from_ref(&decision));
    access::changed(&mut tx).await.unwrap();
    assert_eq!(approval::list_with_access(&mut tx, "r1").await.unwrap(), (vec![decision.clone()], 1));
    assert_eq!(approval::list_with_access(&mut tx, "r2").await.unwrap(), (vec![], 1));
    approval::set_rules(&mut tx, "r1", &[("bob", &[0].into())]).await.unwrap();
    assert_eq!(approval::list(&mut tx, "r1").await.unwrap()[0].rules, [0].into());
    assert_eq!(run::due(&mut tx, NOW, 10).await.unwrap(), ["r1"]);
    assert_eq!(run::nodes(&mut tx, "r1").await.unwrap()[2].name, "web-2");
    assert_eq!(run::sealed_secrets(&mut tx, "r1").await.unwrap(), [(1, "c2VhbGVk".to_owned())]);
    let mut row = run::lock(&mut tx, "r1").await.unwrap().unwrap();
    task::create(&mut tx, &row, 1, NOW, Timestamp(NOW.0 + 100));
    row.phase = Phase::Running;
    row.batches = 1;
    run::update(&mut tx, &row);
    let assigned = task::assigned_of_run(&mut tx, "r1").await.unwrap();
    assert_eq!((assigned.len(), assigned[0].idx, assigned[0].start_by), (1, 0, Timestamp(NOW.0 + 100)));
    tx.commit().await.unwrap();
    let mut again = place.db.begin().await.unwrap();
    approval::insert(&mut again, "r1", &decision);
    assert!(again.commit().await.is_err(), "one decision a person");

    let mut tx = place.db.begin().await.unwrap();
    assert_eq!(run::lock_many(&mut tx, &["r1", "none"]).await.unwrap().len(), 1);
    let begun = Started { run_id: "r1".into(), idx: 0, node_id: "n0".into(), at: NOW.0, deadline_at: NOW.0 + 50 };
    let known = task::started(&mut tx, std::slice::from_ref(&begun)).await.unwrap();
    assert_eq!(known, [task::Touched { run: "r1".into(), idx: 0, namespace: "shop".into(), node: "web-0".into(), node_id: "n0".into() }]);
    assert!(task::started(&mut tx, &[begun]).await.unwrap().is_empty(), "nothing begins twice");
    let piece = |chunk: u32| NewOutput { run_id: "r1".into(), idx: 0, node_id: "n0".into(), chunk, segments: format!("[{chunk}]") };
    assert_eq!(task::add_output(&mut tx, &[piece(0)]).await.unwrap(), 1);
    assert_eq!(task::add_output(&mut tx, &[piece(0), piece(1)]).await.unwrap(), 1, "a piece is stored once");
    assert_eq!(task::ended(&mut tx, &[end(0, "n0", TaskPhase::Succeeded)]).await.unwrap().len(), 1);
    assert!(task::ended(&mut tx, &[end(0, "n0", TaskPhase::Failed)]).await.unwrap().is_empty(), "nothing ends twice");
    task::assign_next(&mut tx, "r1", 5, 1, NOW, Timestamp(NOW.0 + 100)).await.unwrap();
    let tally = task::tally(&mut tx, "r1").await.unwrap();
    assert_eq!((tally.succeeded, tally.active, tally.waiting), (1, 2, 0));
    assert_eq!(task::overdue(&mut tx, Timestamp(NOW.0 + 100), 10).await.unwrap().len(), 2);
    assert_eq!(task::ended(&mut tx, &[end(1, "n1", TaskPhase::Failed), end(2, "n2", TaskPhase::Succeeded)]).await.unwrap().len(), 2);
    let tally = task::tally(&mut tx, "r1").await.unwrap();
    assert_eq!((tally.succeeded, tally.failed, tally.check_failed), (2, 1, 1));
    tx.commit().await.unwrap();

    let mut reader = place.db.reader().await.unwrap();
    let listed =
        task::list(&mut reader, &task::Filter { phases: vec![TaskPhase::Failed], namespaces: Some(vec!["shop".into()]), limit: 10, ..Default::default() })
            .await
            .unwrap();
    assert_eq!((listed.len(), listed[0].node.as_str(), listed[0].detail.warnings.len()), (1, "web-1", 1));
    assert!(task::list(&mut reader, &task::Filter { namespaces: Some(vec![]), limit: 10, ..Default::default() }).await.unwrap().is_empty());
    for sort in [Sort::Newest, Sort::Oldest, Sort::Node, Sort::NodeBackwards, Sort::Phase, Sort::Rollout] {
        let all = task::list(&mut reader, &task::Filter { sort, limit: 100, ..Default::default() }).await.unwrap();
        let mut paged: Vec<task::Task> = Vec::new();
        while let [one] = &task::list(&mut reader, &task::Filter { sort, limit: 1, after: paged.last().map(task::Task::place), ..Default::default() })
            .await
            .unwrap()[..]
        {
            paged.push(one.clone());
            assert!(paged.len() <= all.len(), "{sort:?} comes to an end");
        }
        let names = |tasks: &[task::Task]| tasks.iter().map(|t| (t.run.clone(), t.idx)).collect::<Vec<_>>();
        assert!(all.len() > 2);
        assert_eq!(names(&paged), names(&all), "{sort:?}");
    }
    let output = task::output(&mut reader, "r1", Some("web-0"), 0, 10).await.unwrap();
    assert_eq!(output.iter().map(|o| o.segments.as_str()).collect::<Vec<_>>(), ["[0]", "[1]"]);
    assert!(task::output(&mut reader, "r1", Some("web-1"), 0, 10).await.unwrap().is_empty());
    let filter =
        run::Filter { namespaces: Some(vec!["shop".into()]), phases: vec![Phase::Running], undecided_by: Some("carol".into()), limit: 5, ..Default::default() };
    assert_eq!(run::list(&mut reader, &filter).await.unwrap().len(), 1);
    assert!(run::list(&mut reader, &run::Filter { undecided_by: Some("bob".into()), ..filter }).await.unwrap().is_empty());
    assert_eq!(run::by_prefix(&mut reader, "r").await.unwrap(), ["r1"]);
}

async fn only_the_own_node_reports(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    run::insert(&mut tx, &request("r1", None), &nodes()).await.unwrap();
    let row = run::lock(&mut tx, "r1").await.unwrap().unwrap();
    task::create(&mut tx, &row, 3, NOW, NOW);
    assert!(task::ended(&mut tx, &[end(0, "n1", TaskPhase::Succeeded)]).await.unwrap().is_empty());
    let forged = NewOutput { run_id: "r1".into(), idx: 0, node_id: "n1".into(), chunk: 0, segments: "[]".into() };
    assert_eq!(task::add_output(&mut tx, &[forged]).await.unwrap(), 0);
    tx.commit().await.unwrap();
}

async fn late_results_are_kept(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    run::insert(&mut tx, &request("r1", None), &nodes()).await.unwrap();
    let row = run::lock(&mut tx, "r1").await.unwrap().unwrap();
    task::create(&mut tx, &row, 3, NOW, NOW);
    let given_up = Ended { detail: task::GIVEN_UP.into(), reason: "offline".into(), started_at: None, ..end(0, "n0", TaskPhase::Failed) };
    task::ended(&mut tx, &[given_up]).await.unwrap();
    assert_eq!(task::ended_late(&mut tx, &[end(0, "n0", TaskPhase::Succeeded)]).await.unwrap().len(), 1);
    assert!(task::ended_late(&mut tx, &[end(0, "n0", TaskPhase::Failed)]).await.unwrap().is_empty(), "only once");
    let known = task::get(&mut tx, "r1", 0).await.unwrap().unwrap();
    assert_eq!(known.phase, TaskPhase::Succeeded);
    assert!(known.reason.contains("late"));
    tx.commit().await.unwrap();
}

async fn contradictions_are_noticed_once(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    run::insert(&mut tx, &request("r1", None), &nodes()).await.unwrap();
    let row = run::lock(&mut tx, "r1").await.unwrap().unwrap();
    task::create(&mut tx, &row, 2, NOW, NOW);
    let first = end(0, "n0", TaskPhase::Succeeded);
    let other = end(0, "n0", TaskPhase::Failed);
    assert!(task::contradicted(&mut tx, std::slice::from_ref(&other)).await.unwrap().is_empty(), "it has not ended");
    task::ended(&mut tx, std::slice::from_ref(&first)).await.unwrap();
    let before = task::get(&mut tx, "r1", 0).await.unwrap().unwrap();
    assert!(task::contradicted(&mut tx, std::slice::from_ref(&first)).await.unwrap().is_empty(), "the same again");
    assert!(task::contradicted(&mut tx, &[end(0, "n1", TaskPhase::Failed)]).await.unwrap().is_empty(), "another node");
    assert_eq!(task::contradicted(&mut tx, std::slice::from_ref(&other)).await.unwrap().len(), 1);
    assert!(task::contradicted(&mut tx, &[other]).await.unwrap().is_empty(), "only once");
    let after = task::get(&mut tx, "r1", 0).await.unwrap().unwrap();
    assert_eq!((after.phase, after.exit_code, after.reason, after.finished_at), (before.phase, before.exit_code, before.reason, before.finished_at));
    assert_eq!(after.detail.output_digest, before.detail.output_digest);
    tx.commit().await.unwrap();
}

async fn idempotency_keys_are_taken_once(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    assert!(run::insert(&mut tx, &request("r1", Some("key-1")), &nodes()).await.unwrap());
    assert!(!run::insert(&mut tx, &request("r2", Some("key-1")), &nodes()).await.unwrap());
    assert_eq!(run::by_idempotency_key(&mut tx, "dave", "key-1").await.unwrap().unwrap().id, "r1");
    assert!(run::by_idempotency_key(&mut tx, "bob", "key-1").await.unwrap().is_none());
    tx.commit().await.unwrap();
}

fn happened(n: usize) -> NewEvent {
    let kind = if n.is_multiple_of(2) { types::RUN_APPROVED } else { types::TASK_ENDED };
    let namespace = (!n.is_multiple_of(3)).then(|| "shop".to_owned());
    NewEvent { kind, subject: format!("run/{n}"), namespace, run: Some("r1".into()), actor: "user:ann".into(), data: json!({"n": n}) }
}

async fn seal_all(db: &Db) {
    loop {
        let mut tx = db.begin().await.unwrap();
        let sealed = event::seal(&mut tx, 7).await.unwrap();
        tx.commit().await.unwrap();
        if sealed == 0 {
            return;
        }
    }
}

async fn positions_have_no_gaps(place: Place) {
    // Writers at once, some of which change their minds.
    let mut writers = Vec::new();
    for writer in 0..8 {
        let db = place.db.clone();
        writers.push(tokio::spawn(async move {
            for n in 0..5 {
                let mut tx = db.begin().await.unwrap();
                event::append(&mut tx, &[happened(writer * 10 + n), happened(n)], NOW).await.unwrap();
                if n == 3 { tx.rollback().await.unwrap() } else { tx.commit().await.unwrap() }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    seal_all(&place.db).await;
    let mut reader = place.db.reader().await.unwrap();
    let all = event::list(&mut reader, &event::Filter { limit: 1000, global: true, ..Default::default() }).await.unwrap();
    let positions: Vec<u64> = all.iter().map(|e| e.position).collect();
    assert_eq!(positions, (1..=64).collect::<Vec<u64>>());
    assert_eq!(event::last_position(&mut reader).await.unwrap(), 64);
}

async fn events_are_filtered(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    let events: Vec<NewEvent> = (0..12).map(happened).collect();
    event::append(&mut tx, &events, NOW).await.unwrap();
    tx.commit().await.unwrap();
    seal_all(&place.db).await;
    let mut reader = place.db.reader().await.unwrap();
    let all = event::Filter { limit: 100, ..Default::default() };
    for (filter, wanted) in [
        (all.clone(), 12),
        (event::Filter { kind: Some("synod.run.*".into()), ..all.clone() }, 6),
        (event::Filter { kind: Some(types::TASK_ENDED.into()), ..all.clone() }, 6),
        (event::Filter { namespaces: Some(vec!["shop".into()]), ..all.clone() }, 8),
        (event::Filter { namespaces: Some(vec!["shop".into()]), global: true, ..all.clone() }, 12),
        (event::Filter { namespaces: Some(vec![]), ..all.clone() }, 0),
        (event::Filter { subject: Some("run/3".into()), ..all.clone() }, 1),
        (event::Filter { after: Some(10), ..all.clone() }, 2),
        (event::Filter { after: Some(3), newest: true, ..all.clone() }, 2),
        (event::Filter { until: Some(NOW), ..all.clone() }, 0),
        (event::Filter { limit: 5, ..all.clone() }, 5),
    ] {
        let found = event::list(&mut reader, &filter).await.unwrap();
        assert_eq!(found.len(), wanted, "{filter:?}");
    }
    let newest = event::list(&mut reader, &event::Filter { newest: true, ..all }).await.unwrap();
    assert_eq!(newest[0].data, json!({"n": 11}), "events keep their order");
}

async fn fill(db: &Db) {
    let mut tx = db.begin().await.unwrap();
    user::insert(&mut tx, &person("ann")).await.unwrap();
    node::insert(&mut tx, &machine("n0", "web-0")).await.unwrap();
    object::put(&mut tx, &stored(Kind::Template, Some("shop"), "restart", 1)).await.unwrap();
    run::insert(&mut tx, &request("r1", Some("k")), &nodes()).await.unwrap();
    let row = run::lock(&mut tx, "r1").await.unwrap().unwrap();
    task::create(&mut tx, &row, 3, NOW, NOW);
    let piece = NewOutput { run_id: "r1".into(), idx: 0, node_id: "n0".into(), chunk: 0, segments: "[{\"text\":\"é\\n\"}]".into() };
    task::add_output(&mut tx, &[piece]).await.unwrap();
    event::append(&mut tx, &(0..2500).map(happened).collect::<Vec<_>>(), NOW).await.unwrap();
    tx.commit().await.unwrap();
}

async fn taken(db: &Db) -> Vec<u8> {
    let (tx, mut rx) = tokio::sync::mpsc::channel(2);
    let db = db.clone();
    let writer = tokio::spawn(async move { backup::write(&db, &tx).await });
    let mut bytes = Vec::new();
    while let Some(piece) = rx.recv().await {
        bytes.extend(piece.unwrap());
    }
    writer.await.unwrap().unwrap();
    bytes
}

async fn a_backup_restores_everything(place: Place) {
    fill(&place.db).await;
    let bytes = taken(&place.db).await;
    let checked = backup::check(&bytes).unwrap();
    assert!(checked.rows > 2500);
    // Into each kind of database, whichever it came from.
    for target in [sqlite().await, postgres().await] {
        backup::restore(&target.db, &bytes).await.unwrap();
        assert_eq!(taken(&target.db).await, bytes, "what was restored is what was saved");
        let again = backup::restore(&target.db, &bytes).await.unwrap_err();
        assert!(again.message().contains("not empty"), "{again}");
        let mut tx = target.db.begin().await.unwrap();
        event::append(&mut tx, &[happened(1)], NOW).await.unwrap();
        tx.commit().await.unwrap();
        seal_all(&target.db).await;
        let last = event::last_position(&mut target.db.reader().await.unwrap()).await.unwrap();
        let before = if place.db.dialect().has_one_writer() { 2500 } else { 0 };
        assert!(last == 2501 || last == before + 1, "the log goes on where it was: {last}");
    }
}

async fn a_damaged_backup_is_refused(place: Place) {
    fill(&place.db).await;
    let bytes = taken(&place.db).await;
    let empty = sqlite().await;
    let mut cases = vec![Vec::new(), bytes[..bytes.len() / 2].to_vec(), bytes[..bytes.len() - 1].to_vec()];
    let mut bent = bytes.clone();
    let at = bent.len() / 3;
    bent[at] ^= 1;
    cases.push(bent);
    for case in cases {
        assert!(backup::restore(&empty.db, &case).await.is_err());
    }
    assert!(empty.db.reader().await.unwrap().query("SELECT name FROM users", params![]).await.unwrap().is_empty(), "nothing was half restored");
}

async fn a_backup_of_another_schema_says_what_to_do(place: Place) {
    fill(&place.db).await;
    let text = String::from_utf8(taken(&place.db).await).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let empty = sqlite().await;
    for (schema, remedy) in [(1, "then start the server of this one on that"), (99, "or a newer one")] {
        let mut head: serde_json::Value = serde_json::from_str(first).unwrap();
        (head["schema"], head["version"]) = (schema.into(), "0.0.7".into());
        // Told before anything else: its digest, too, is about what stands there.
        let refusal = backup::restore(&empty.db, format!("{head}\n{rest}").as_bytes()).await.unwrap_err();
        let message = refusal.message();
        assert_eq!(refusal.code().id, "SYN-9002");
        for words in [format!("schema version {schema} "), "Synod 0.0.7".to_owned(), remedy.to_owned()] {
            assert!(message.contains(&words), "`{words}` in {message}");
        }
    }
}
