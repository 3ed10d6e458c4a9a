//! Keys of accounts, challenges, kept answers and the overview: the same stories on both databases.

mod place;

use synod_db::{access, account_key, answer, approval, overview, run, user};
use synod_domain::Timestamp;
use synod_domain::approval::Decision;
use synod_domain::run::Phase;

use place::{Place, stories};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

stories! {
    keys_of_accounts_are_kept
    challenges_are_taken_once
    kept_answers_end
    the_overview_counts
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

fn key(id: &str, user: &str, kind: &str, key_id: &str, credential_id: Option<&str>) -> account_key::AccountKey {
    account_key::AccountKey {
        id: id.into(),
        user: user.into(),
        kind: kind.into(),
        name: "laptop".into(),
        key_id: key_id.into(),
        spec: "\"x\"".into(),
        credential_id: credential_id.map(str::to_owned),
        transports: "[]".into(),
        counter: 0,
        created_at: NOW,
        last_used_at: None,
    }
}

async fn keys_of_accounts_are_kept(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    for name in ["ann", "bob"] {
        user::insert(&mut tx, &person(name)).await.unwrap();
    }
    let before = access::version(&mut tx).await.unwrap();
    assert!(account_key::insert(&mut tx, &key("1", "ann", account_key::PASSKEY, "p1", Some("c1"))).await.unwrap());
    assert!(access::version(&mut tx).await.unwrap() > before, "a passkey is a second factor");
    assert!(!account_key::insert(&mut tx, &key("2", "bob", account_key::PASSKEY, "p2", Some("c1"))).await.unwrap(), "a credential is one account's");
    assert!(account_key::insert(&mut tx, &key("3", "ann", account_key::SSH, "s1", None)).await.unwrap());
    assert!(!account_key::insert(&mut tx, &key("4", "ann", account_key::SSH, "s1", None)).await.unwrap(), "a key is registered once");
    assert!(account_key::insert(&mut tx, &key("5", "bob", account_key::SSH, "s1", None)).await.unwrap(), "a public key may be named by anybody");
    assert_eq!(account_key::passkeys(&mut tx).await.unwrap(), [("ann".to_owned(), 1)]);
    assert_eq!(account_key::of_user(&mut tx, "ann").await.unwrap().iter().map(|k| k.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    // Counters: those that stay at 0 do not count; those that count must grow.
    for (counter, sound) in [(0, true), (0, true), (5, true), (5, false), (4, false), (0, false), (6, true)] {
        assert_eq!(account_key::used(&mut tx, "1", counter, NOW).await.unwrap(), sound, "{counter}");
    }
    let known = account_key::by_credential(&mut tx, "c1").await.unwrap().unwrap();
    assert_eq!((known.counter, known.last_used_at), (6, Some(NOW)));
    assert!(!account_key::remove(&mut tx, "bob", account_key::PASSKEY, "1").await.unwrap(), "nobody removes another's");
    assert!(!account_key::remove(&mut tx, "ann", account_key::SSH, "1").await.unwrap());
    assert!(account_key::remove(&mut tx, "ann", account_key::PASSKEY, "1").await.unwrap());
    assert!(account_key::by_credential(&mut tx, "c1").await.unwrap().is_none());
    tx.commit().await.unwrap();
}

async fn challenges_are_taken_once(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    let given = |hash: &str, user: &str| account_key::Challenge { hash: hash.into(), purpose: "login", user: user.into(), expires_at: Timestamp(NOW.0 + 10) };
    assert!(account_key::challenge(&mut tx, &given("a", "ann"), NOW, 2).await.unwrap());
    assert!(account_key::challenge(&mut tx, &given("b", "ann"), NOW, 2).await.unwrap());
    assert!(!account_key::challenge(&mut tx, &given("c", "ann"), NOW, 2).await.unwrap(), "so many at once");
    assert!(account_key::challenge(&mut tx, &given("d", ""), NOW, 2).await.unwrap(), "each purpose and person by itself");
    for (hash, purpose, user, at) in [("a", "step-up", "ann", 0), ("a", "login", "", 0), ("a", "login", "ann", 10), ("x", "login", "ann", 0)] {
        assert!(!account_key::take_challenge(&mut tx, hash, purpose, user, Timestamp(NOW.0 + at)).await.unwrap());
    }
    assert!(account_key::take_challenge(&mut tx, "a", "login", "ann", Timestamp(NOW.0 + 9)).await.unwrap());
    assert!(!account_key::take_challenge(&mut tx, "a", "login", "ann", NOW).await.unwrap());
    // Those whose time is over make room.
    assert!(account_key::challenge(&mut tx, &given("e", "ann"), NOW, 2).await.unwrap());
    let late = account_key::Challenge { expires_at: Timestamp(NOW.0 + 30), ..given("f", "ann") };
    assert!(account_key::challenge(&mut tx, &late, Timestamp(NOW.0 + 10), 1).await.unwrap());
    assert_eq!(account_key::forget_challenges(&mut tx, Timestamp(NOW.0 + 30)).await.unwrap(), 1);
    tx.commit().await.unwrap();
}

async fn kept_answers_end(place: Place) {
    let mut tx = place.db.begin().await.unwrap();
    let kept = |key: &str, sealed: &str| answer::Answer {
        user: "ann".into(),
        operation: "user_create",
        key: key.into(),
        sealed: sealed.into(),
        expires_at: Timestamp(NOW.0 + 10),
    };
    assert!(answer::insert(&mut tx, &kept("k", "s"), NOW).await.unwrap());
    assert!(!answer::insert(&mut tx, &kept("k", "other"), NOW).await.unwrap());
    assert_eq!(answer::get(&mut tx, "ann", "user_create", "k", NOW).await.unwrap(), Some("s".to_owned()));
    for (user, operation, key, at) in
        [("bob", "user_create", "k", 0), ("ann", "api_key_create", "k", 0), ("ann", "user_create", "j", 0), ("ann", "user_create", "k", 10)]
    {
        assert_eq!(answer::get(&mut tx, user, operation, key, Timestamp(NOW.0 + at)).await.unwrap(), None);
    }
    assert!(answer::insert(&mut tx, &kept("k", "new"), Timestamp(NOW.0 + 10)).await.unwrap(), "what has ended makes room");
    tx.commit().await.unwrap();
}

const DAY: i64 = 86_400_000;

/// A run of a template, requested so many days ago, that stands in a phase; approved after so many milliseconds.
async fn run_of(place: &Place, id: &str, template: (&str, &str), days_ago: i64, phase: Phase, approved_after: Option<i64>) {
    let created_at = Timestamp(NOW.0 - days_ago * DAY);
    let row = run::Run {
        id: id.into(),
        namespace: template.0.into(),
        template: template.1.into(),
        revision: 1,
        title: "Restart".into(),
        requester: "dave".into(),
        author: "ann".into(),
        reason: "r".into(),
        phase: Phase::Pending,
        digest: "sha256:x".into(),
        manifest: "{}".into(),
        node_count: 1,
        created_at,
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
        wake_at: None,
        replay_of: None,
        idempotency_key: None,
        idempotency_hash: None,
        break_glass: (id == "alone").then(|| "night".into()),
        ratification: None,
    };
    let node = run::RunNode { idx: 0, node_id: "n0".into(), node_name: "web-0".into(), sealed_secrets: None };
    let mut tx = place.db.begin().await.unwrap();
    assert!(run::insert(&mut tx, &row, &[node]).await.unwrap());
    for (person, after) in approved_after.into_iter().flat_map(|after| [("bob", after / 2), ("carol", after)]) {
        let at = Timestamp(created_at.0 + after);
        let decision = approval::Approval {
            person: person.into(),
            decision: Decision::Approve,
            digest: "d".into(),
            comment: String::new(),
            at,
            signature: None,
            rules: [0].into(),
        };
        approval::insert(&mut tx, id, &decision);
    }
    let started = approved_after.is_some() && phase != Phase::Approved;
    let ratification = row.break_glass.is_some().then_some(synod_domain::run::Ratification::Unratified);
    let row = run::Run { phase, started_at: started.then_some(created_at), ratification, ..row };
    run::update(&mut tx, &row);
    tx.commit().await.unwrap();
}

async fn the_overview_counts(place: Place) {
    let since = Timestamp(NOW.0 - 7 * DAY);
    let mut tx = place.db.begin().await.unwrap();
    assert_eq!(overview::approval_times(&mut tx, None, since).await.unwrap(), None);
    assert_eq!(overview::nodes(&mut tx).await.unwrap(), (0, 0));
    drop(tx);
    let (shop, bank) = (("shop", "restart"), ("bank", "pay"));
    for n in 1..=10 {
        run_of(&place, &format!("r{n}"), shop, 1, Phase::Succeeded, Some(n * 1000)).await;
    }
    run_of(&place, "bank", bank, 0, Phase::Approved, Some(60_000)).await;
    run_of(&place, "waits", bank, 0, Phase::Pending, None).await;
    run_of(&place, "free", shop, 0, Phase::Failed, None).await;
    run_of(&place, "old", shop, 30, Phase::Succeeded, Some(999_000)).await;
    run_of(&place, "old-waits", shop, 30, Phase::Pending, None).await;
    run_of(&place, "alone", shop, 30, Phase::Succeeded, None).await;
    let mut tx = place.db.begin().await.unwrap();
    let day = NOW.0 / DAY;
    let of = |day: i64, phase: Phase, runs: u32| overview::DayPhase { day, phase, runs };
    let mut counted = overview::days(&mut tx, None, since).await.unwrap();
    counted.sort_by_key(|c| (c.day, c.phase.name()));
    assert_eq!(counted, [of(day - 1, Phase::Succeeded, 10), of(day, Phase::Approved, 1), of(day, Phase::Failed, 1), of(day, Phase::Pending, 1)]);
    let only = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(overview::days(&mut tx, Some(&only(&["bank"])), since).await.unwrap().len(), 2);
    assert_eq!(overview::days(&mut tx, Some(&[]), since).await.unwrap(), []);
    let times = |runs, p50_ms, p90_ms| overview::ApprovalTimes { runs, p50_ms, p90_ms };
    let took = |runs, p50_ms, p90_ms| Some(times(runs, p50_ms, p90_ms));
    // By the last approval, of those that people approved: 1 to 10 s in the shop.
    assert_eq!(overview::approval_times(&mut tx, Some(&only(&["shop"])), since).await.unwrap(), took(10, 5000, 9000));
    assert_eq!(overview::approval_times(&mut tx, None, since).await.unwrap(), took(11, 6000, 10_000));
    assert_eq!(overview::approval_times(&mut tx, Some(&[]), since).await.unwrap(), None);
    assert_eq!(overview::approval_days(&mut tx, None, since).await.unwrap(), [(day - 1, times(10, 5000, 9000)), (day, times(1, 60_000, 60_000))]);
    assert_eq!(overview::approval_days(&mut tx, Some(&only(&["bank"])), since).await.unwrap(), [(day, times(1, 60_000, 60_000))]);
    let busiest = overview::busiest(&mut tx, None, since, 1).await.unwrap();
    assert_eq!(busiest, [("shop".to_owned(), "restart".to_owned(), 11)]);
    assert_eq!(overview::pending(&mut tx, None).await.unwrap(), 2, "whenever they were requested");
    assert_eq!(overview::pending(&mut tx, Some(&only(&["bank"]))).await.unwrap(), 1);
    assert_eq!((overview::unratified(&mut tx, None).await.unwrap(), overview::unratified(&mut tx, Some(&only(&["bank"]))).await.unwrap()), (1, 0));
    let states = run::node_states(&mut tx, "bank").await.unwrap();
    assert_eq!((states.len(), states[0].node.name.as_str(), states[0].phase), (1, "web-0", None));
}
