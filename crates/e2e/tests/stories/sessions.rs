//! Sessions, cookies and keys: what each is good for, and when it ends.

use http::Method;
use serde_json::json;
use synod_domain::Span;
use synod_e2e::*;
use synod_protocol::http::auth::{CreatedApiKey, NewApiKey, SessionToken, WhoAmI};
use synod_protocol::http::client::{ClientError, collect};
use synod_protocol::http::node::CreatedJoinToken;
use synod_protocol::http::user::{NewUser, User, UserChange};

stories! {
    a_cookie_needs_its_csrf_token
    a_session_ends_and_is_renewed
    a_revoked_session_is_refused_at_once
    a_disabled_user_is_refused_at_once
    a_new_password_ends_all_sessions
    service_accounts_never_approve
    roles_end_when_they_say
    a_followed_stream_ends_with_its_key
    what_is_asked_twice_is_made_once
}

async fn whoami(token: &str, h: &Harness) -> Called<WhoAmI> {
    h.client_with(Some(token.to_owned())).get(&format!("{API}/auth/whoami")).await
}

async fn a_cookie_needs_its_csrf_token(h: Harness) {
    let body = json!({"user": "alice", "password": PASSWORD, "cookie": true}).to_string();
    let answer = h.anyone().raw(Method::POST, &format!("{API}/auth/login"), &[("content-type", "application/json")], body.into()).await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for word in ["HttpOnly", "Secure", "SameSite=Strict"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let session: SessionToken = serde_json::from_slice(&collect(answer).await.unwrap()).unwrap();
    assert!(session.token.is_empty(), "scripts must not see the token");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let anyone = h.anyone();
    let token = json!({"labels": {}}).to_string();
    let (status, _) = raw(&anyone, Method::GET, "/auth/whoami", &[("cookie", &cookie)], "").await;
    assert_eq!(status, 200, "reading needs no CSRF token");
    for wrong in [None, Some("0000")] {
        let mut headers = vec![("cookie", cookie.as_str()), ("content-type", "application/json")];
        headers.extend(wrong.map(|value| ("x-csrf-token", value)));
        let (status, text) = raw(&anyone, Method::POST, "/join-tokens", &headers, &token).await;
        assert!(status == 403 && text.contains("SYN-2006"), "{status} {text}");
    }
    let headers = [("cookie", cookie.as_str()), ("content-type", "application/json"), ("x-csrf-token", &session.csrf_token)];
    let (status, text) = raw(&anyone, Method::POST, "/join-tokens", &headers, &token).await;
    assert_eq!(status, 201, "{text}");
}

async fn a_session_ends_and_is_renewed(h: Harness) {
    let token = h.login("alice").await.token;
    h.clock.shift(23 * 3_600_000);
    let renewed: SessionToken = h.client_with(Some(token.clone())).post(&format!("{API}/auth/renew"), &json!({})).await.unwrap();
    h.clock.shift(2 * 3_600_000);
    assert_eq!(whoami(&token, &h).await.unwrap().user, "alice", "renewed until {}", renewed.expires_at);
    h.clock.shift(24 * 3_600_000);
    refused(whoami(&token, &h).await, "SYN-2002");
}

async fn a_revoked_session_is_refused_at_once(h: Harness) {
    let (one, two) = (h.login("alice").await.token, h.login("alice").await.token);
    let client = h.client_with(Some(one.clone()));
    let sessions: synod_protocol::http::Page<synod_protocol::http::auth::Session> = client.get(&format!("{API}/auth/sessions")).await.unwrap();
    let mut stream = h.client_with(Some(two.clone())).events(&format!("{API}/events?follow=true"), None).await.unwrap();
    // Alice's other sessions end one by one; her own stays.
    for other in sessions.items.iter().filter(|s| !s.current) {
        client.delete(&format!("{API}/auth/sessions/{}", other.id)).await.unwrap();
    }
    refused(whoami(&two, &h).await, "SYN-2002");
    assert!(whoami(&one, &h).await.is_ok());
    let end = tokio::time::timeout(WITHIN, async { while let Ok(Some(_)) = stream.next().await {} });
    end.await.expect("a followed stream outlives its session");
    let _: serde_json::Value = client.post(&format!("{API}/auth/logout"), &json!({})).await.unwrap();
    refused(whoami(&one, &h).await, "SYN-2002");
    refused(h.client_with(Some("gAAAAAB".into())).get::<WhoAmI>(&format!("{API}/auth/whoami")).await, "SYN-2002");
}

async fn a_disabled_user_is_refused_at_once(h: Harness) {
    h.shop("bob:approver").await;
    let alice = h.client("alice").await;
    let token = h.token("bob").await;
    let key: CreatedApiKey = h
        .client("bob")
        .await
        .post(&format!("{API}/api-keys"), &NewApiKey { name: "mine".into(), user: None, expires_in: None })
        .await
        .unwrap();
    assert!(whoami(&key.key, &h).await.is_ok());
    let _: User = alice.patch(&format!("{API}/users/bob"), &UserChange { enabled: Some(false), ..UserChange::default() }).await.unwrap();
    refused(whoami(&token, &h).await, "SYN-2002");
    refused(whoami(&key.key, &h).await, "SYN-2002");
    let login = json!({"user": "bob", "password": PASSWORD});
    refused(h.anyone().post::<_, SessionToken>(&format!("{API}/auth/login"), &login).await, "SYN-2001");
    // Who would lock everybody out is refused.
    let out = alice.patch::<_, User>(&format!("{API}/users/alice"), &UserChange { enabled: Some(false), ..UserChange::default() }).await;
    refused(out, "SYN-3004");
}

async fn a_new_password_ends_all_sessions(h: Harness) {
    h.shop("bob").await;
    let token = h.token("bob").await;
    let change = UserChange { password: Some("another battery".into()), ..UserChange::default() };
    let _: User = h.client("alice").await.patch(&format!("{API}/users/bob"), &change).await.unwrap();
    refused(whoami(&token, &h).await, "SYN-2002");
    let login = json!({"user": "bob", "password": PASSWORD});
    refused(h.anyone().post::<_, SessionToken>(&format!("{API}/auth/login"), &login).await, "SYN-2001");
    let login = json!({"user": "bob", "password": "another battery"});
    let (one, two): (SessionToken, SessionToken) =
        (h.anyone().post(&format!("{API}/auth/login"), &login).await.unwrap(), h.anyone().post(&format!("{API}/auth/login"), &login).await.unwrap());
    let client = h.client_with(Some(one.token.clone()));
    let wrong = json!({"current": PASSWORD, "new": "yet another one"});
    refused(client.post::<_, serde_json::Value>(&format!("{API}/auth/password"), &wrong).await, "SYN-2001");
    let right = json!({"current": "another battery", "new": "yet another one"});
    let _: serde_json::Value = client.post(&format!("{API}/auth/password"), &right).await.unwrap();
    assert!(whoami(&one.token, &h).await.is_ok(), "the session that changed it stays");
    refused(whoami(&two.token, &h).await, "SYN-2002");
}

async fn service_accounts_never_approve(h: Harness) {
    h.shop("dave:requester bob:approver").await;
    let alice = h.client("alice").await;
    let robot = NewUser { name: "robot".into(), display_name: String::new(), password: None, service_account: true };
    let _: User = alice.post(&format!("{API}/users"), &robot).await.unwrap();
    h.apply(vec![template("t", json!({})), binding(Some("shop"), "administrator", "robot")]).await;
    let _agents = h.webs(1).await;
    let new = NewApiKey { name: "ci".into(), user: Some("robot".into()), expires_in: Some(Span::secs(3600)) };
    let key: CreatedApiKey = alice.post(&format!("{API}/api-keys"), &new).await.unwrap();
    let robot = h.client_with(Some(key.key));
    let run = request(&h.client("dave").await, &ask("t", json!({}))).await.unwrap();
    refused(approve(&robot, &run).await, "SYN-2100");
    assert!(request(&robot, &ask("t", json!({}))).await.is_ok(), "but it may ask");
    assert!(run.rules[0].candidates.iter().all(|name| name != "robot"), "{:?}", run.rules);
    let login = json!({"user": "robot", "password": PASSWORD});
    refused(h.anyone().post::<_, SessionToken>(&format!("{API}/auth/login"), &login).await, "SYN-2001");
    h.clock.shift(3_601_000);
    refused(robot.get::<WhoAmI>(&format!("{API}/auth/whoami")).await, "SYN-2002");
    let theirs = NewApiKey { name: "x".into(), user: Some("bob".into()), expires_in: None };
    let problem = refused(alice.post::<_, CreatedApiKey>(&format!("{API}/api-keys"), &theirs).await, "SYN-2100");
    assert!(problem.detail.contains("bob"));
}

async fn roles_end_when_they_say(h: Harness) {
    h.shop("bob dave:requester").await;
    let mut temporary = binding(Some("shop"), "approver", "bob");
    temporary["spec"]["expires"] = json!(h.clock.now().after(Span::secs(3600)));
    h.apply(vec![template("t", json!({})), temporary, binding(Some("shop"), "viewer", "bob")]).await;
    let _agents = h.webs(1).await;
    let (bob, dave) = (h.client("bob").await, h.client("dave").await);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    h.clock.shift(3_601_000);
    let problem = refused(approve(&bob, &run).await, "SYN-2100");
    assert!(problem.detail.contains("the role approver"), "{}", problem.detail);
}

async fn a_followed_stream_ends_with_its_key(h: Harness) {
    let alice = h.client("alice").await;
    let key: CreatedApiKey = alice.post(&format!("{API}/api-keys"), &NewApiKey { name: "mine".into(), user: None, expires_in: None }).await.unwrap();
    let mut stream = h.client_with(Some(key.key)).events(&format!("{API}/events?follow=true"), None).await.unwrap();
    alice.delete(&format!("{API}/api-keys/{}", key.info.id)).await.unwrap();
    let end = tokio::time::timeout(WITHIN, async { while let Ok(Some(_)) = stream.next().await {} });
    end.await.expect("a followed stream outlives its key");
}

/// What asks for a fresh second factor refuses keys, whoever's they are, and people who have none enrolled.
async fn always(engine: Engine) {
    let h = Harness::start(engine, |config| config.security.step_up = synod_server::config::StepUp::Always).await;
    let alice = h.client("alice").await;
    let key: CreatedApiKey = alice.post(&format!("{API}/api-keys"), &NewApiKey { name: "mine".into(), user: None, expires_in: None }).await.unwrap();
    let by_key = h.client_with(Some(key.key.clone()));
    let token = json!({"labels": {}});
    let problem = refused(by_key.post::<_, CreatedJoinToken>(&format!("{API}/join-tokens"), &token).await, "SYN-2004");
    assert!(problem.detail.contains("API key"), "{}", problem.detail);
    let problem = refused(alice.post::<_, CreatedJoinToken>(&format!("{API}/join-tokens"), &token).await, "SYN-2004");
    assert!(problem.detail.contains("enrol"), "{}", problem.detail);
    let grant = json!({"documents": [binding(None, "viewer", "alice")]});
    for who in [&by_key, &alice] {
        refused(who.post::<_, serde_json::Value>(&format!("{API}/apply"), &grant).await, "SYN-2004");
        refused(download(who, "/backup").await, "SYN-2004");
        let new = NewUser { name: "bob".into(), display_name: String::new(), password: Some(PASSWORD.into()), service_account: false };
        refused(who.post::<_, User>(&format!("{API}/users"), &new).await, "SYN-2004");
    }
    let robots = json!({"name": "for a robot", "user": "robot"});
    let root = json!({"envelope": {"payloadType": "x", "payload": "", "signatures": []}});
    for who in [&by_key, &alice] {
        refused(who.patch::<_, User>(&format!("{API}/users/alice"), &json!({"displayName": "Al"})).await, "SYN-2004");
        refused(who.post::<_, CreatedApiKey>(&format!("{API}/api-keys"), &robots).await, "SYN-2004");
        refused(who.delete(&format!("{API}/objects/rolebindings/first-owner")).await, "SYN-2004");
        refused(who.delete(&format!("{API}/objects/namespaces/ghost")).await, "SYN-2004");
        refused(who.post::<_, serde_json::Value>(&format!("{API}/trust/roots"), &root).await, "SYN-2004");
    }
    who_must_agree(&by_key).await;
    for path in ["/auth/renew", "/auth/logout", "/auth/totp"] {
        let done: Result<serde_json::Value, ClientError> = by_key.post(&format!("{API}{path}"), &json!({})).await;
        refused(done, "SYN-2100");
    }
    refused(by_key.post::<_, CreatedApiKey>(&format!("{API}/api-keys"), &json!({"name": "more"})).await, "SYN-2100");
    alice.delete(&format!("{API}/api-keys/{}", key.info.id)).await.unwrap();
    refused(by_key.get::<WhoAmI>(&format!("{API}/auth/whoami")).await, "SYN-2002");
}

/// Templates and namespaces are applied by programs, too; but not what decides who must agree, or on how many nodes.
async fn who_must_agree(robot: &synod_protocol::http::client::Client) {
    let apply = async |document: serde_json::Value, dry_run: bool| -> Called<serde_json::Value> {
        robot.post(&format!("{API}/apply"), &json!({"documents": [document], "dryRun": dry_run})).await
    };
    let shop = |spec: serde_json::Value| json!({"apiVersion": "synod/v1", "kind": "Namespace", "metadata": {"name": "shop"}, "spec": spec});
    for fine in [
        shop(json!({"nodes": "role=web"})),
        shop(json!({"title": "The shop", "nodes": "role=web"})),
        template("t", json!({})),
        template("t", json!({"title": "T"})),
    ] {
        apply(fine, false).await.unwrap();
    }
    let agreed = [
        free("t", json!({})),
        template("t", json!({"approval": {"rules": [{"count": 1, "from": {"role": "approver"}}], "requesterMayApprove": true}})),
        shop(json!({})),
        shop(json!({"nodes": "role=web", "frozen": true})),
    ];
    for document in agreed {
        apply(document.clone(), true).await.unwrap();
        let problem = refused(apply(document, false).await, "SYN-2004");
        assert!(problem.detail.contains("who must agree"), "{}", problem.detail);
    }
    // Nor by making it anew.
    robot.delete(&format!("{API}/objects/templates/t?namespace=shop")).await.unwrap();
    refused(apply(free("t", json!({})), false).await, "SYN-2004");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_second_factor_is_asked_for_on_sqlite() {
    always(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_second_factor_is_asked_for_on_postgres() {
    always(Engine::Postgres).await;
}

async fn what_is_asked_twice_is_made_once(h: Harness) {
    let alice = h.client("alice").await;
    h.person("bob").await;
    let ask = async |who: &synod_protocol::http::client::Client, path: &str, key: &str, body: &serde_json::Value| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let (status, text) = raw(who, Method::POST, path, &headers, &body.to_string()).await;
        (status, serde_json::from_str::<serde_json::Value>(&text).unwrap())
    };
    let cases = [
        ("/join-tokens", json!({"labels": {}, "uses": 1, "expiresIn": "1h"}), json!({"labels": {}, "uses": 2, "expiresIn": "1h"})),
        ("/api-keys", json!({"name": "one"}), json!({"name": "other"})),
        ("/users", json!({"name": "erin", "password": PASSWORD}), json!({"name": "erin", "password": "another password"})),
    ];
    for (path, body, other) in &cases {
        // The whole answer comes again, the secret that is shown once included.
        let (status, first) = ask(&alice, path, "the same key", body).await;
        assert_eq!(status, 201, "{path}: {first}");
        assert_eq!(ask(&alice, path, "the same key", body).await, (201, first.clone()), "{path}");
        let (status, problem) = ask(&alice, path, "the same key", other).await;
        assert_eq!((status, &problem["code"]), (409, &json!("SYN-3007")), "{path}");
        let (status, problem) = ask(&alice, path, "short", body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("SYN-1008")), "{path}");
        // Another's key is another key; without the right to ask there is no answer.
        let (status, _) = ask(&h.client("bob").await, path, "the same key", body).await;
        assert_eq!(status, if *path == "/api-keys" { 201 } else { 403 }, "{path}");
    }
    let tokens: synod_protocol::http::Page<synod_protocol::http::node::JoinToken> = alice.get(&format!("{API}/join-tokens")).await.unwrap();
    assert_eq!(tokens.items.len(), 1);
    // A day later it is a new request.
    h.clock.shift(86_400_000);
    let alice = h.client_with(Some(h.login("alice").await.token));
    let (path, body, _) = &cases[1];
    assert_eq!(ask(&alice, path, "the same key", body).await.0, 201);
    let keys: synod_protocol::http::Page<synod_protocol::http::auth::ApiKey> = alice.get(&format!("{API}/api-keys")).await.unwrap();
    assert_eq!(keys.items.iter().filter(|key| key.user == "alice").count(), 2);
}
