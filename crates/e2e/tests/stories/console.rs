//! The server as a browser sees it: the console's page, the headers around it, cookies, and a path prefix.

use http::{HeaderMap, Method};
use serde_json::{Value, json};
use synod_e2e::*;
use synod_protocol::http::auth::{SessionToken, WhoAmI};
use synod_protocol::http::client::collect;

stories! {
    the_page_is_guarded
    a_browser_keeps_its_session
    no_other_site_signs_a_browser_in
    everything_lies_under_a_prefix_too
    large_answers_are_packed
}

async fn fetch(h: &Harness, method: Method, path: &str, headers: &[(&'static str, &str)], body: &str) -> (u16, HeaderMap, Vec<u8>) {
    let answer = h.anyone().raw(method, path, headers, body.to_owned().into()).await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, collect(answer).await.unwrap().to_vec())
}

async fn page(h: &Harness, path: &str) -> (u16, HeaderMap, String) {
    let (status, headers, body) = fetch(h, Method::GET, path, &[("accept", "text/html,*/*")], "").await;
    (status, headers, String::from_utf8(body).unwrap())
}

async fn the_page_is_guarded(h: Harness) {
    // Every address the console may know leads to its page.
    for path in ["/", "/runs/0k3v8w1x2y3z", "/sign-in?next=%2Fruns"] {
        let (status, headers, text) = page(&h, path).await;
        assert!(status == 200 && text.contains("<html"), "{path}: {status} {text}");
        assert!(!text.contains("__SYNOD_"), "{path} has a place that was not filled in");
        let policy = headers["content-security-policy"].to_str().unwrap();
        for part in ["default-src 'none'", "script-src 'self';", "style-src 'self' 'nonce-", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'self'"]
        {
            assert!(policy.contains(part), "{part} is not in {policy}");
        }
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(headers[name], value, "{path}: {name}");
        }
        assert!(headers["permissions-policy"].to_str().unwrap().contains("publickey-credentials-get=(self)"));
    }
    let nonce = |headers: &HeaderMap| headers["content-security-policy"].to_str().unwrap().split("'nonce-").nth(1).unwrap().to_owned();
    assert_ne!(nonce(&page(&h, "/").await.1), nonce(&page(&h, "/").await.1));
    // What is not the console's stays what it was.
    for (path, accept) in [("/api/v1/nowhere", "text/html"), ("/audit/nowhere", "text/html"), ("/assets/gone.js", "*/*"), ("/nowhere", "application/json")] {
        let (status, headers, body) = fetch(&h, Method::GET, path, &[("accept", accept)], "").await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &problem["code"]), (404, &json!("SYN-3000")), "{path}");
        assert_eq!(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(headers["cache-control"], "no-store");
    }
    let (status, ..) = fetch(&h, Method::POST, "/", &[("accept", "text/html")], "").await;
    assert_eq!(status, 404);
}

async fn sign_in(h: &Harness, under: &str) -> (String, SessionToken) {
    let body = json!({"user": "alice", "password": PASSWORD, "cookie": true}).to_string();
    let (status, headers, body) = fetch(h, Method::POST, &format!("{under}{API}/auth/login"), &[("content-type", "application/json")], &body).await;
    assert_eq!(status, 200);
    (headers["set-cookie"].to_str().unwrap().to_owned(), serde_json::from_slice(&body).unwrap())
}

async fn a_browser_keeps_its_session(h: Harness) {
    let (set, session) = sign_in(&h, "").await;
    assert!(set.contains("; Path=/;") && session.token.is_empty());
    let cookie = set.split(';').next().unwrap().to_owned();
    // After a reload nothing is left but the cookie, and it suffices.
    let (status, _, body) = fetch(&h, Method::GET, &format!("{API}/auth/whoami"), &[("cookie", &cookie)], "").await;
    let me: WhoAmI = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, me.user.as_str(), me.via.as_str()), (200, "alice", "cookie"));
    let csrf = me.csrf_token.unwrap();
    assert_eq!((csrf.as_str(), me.session_expires_at), (session.csrf_token.as_str(), Some(session.expires_at)));
    h.clock.shift(3_600_000);
    let renew = format!("{API}/auth/renew");
    assert_eq!(fetch(&h, Method::POST, &renew, &[("cookie", &cookie)], "").await.0, 403, "renewing needs the CSRF token");
    let (status, headers, body) = fetch(&h, Method::POST, &renew, &[("cookie", &cookie), ("x-csrf-token", &csrf)], "").await;
    let renewed: SessionToken = serde_json::from_slice(&body).unwrap();
    assert!(status == 200 && renewed.token.is_empty() && renewed.expires_at > session.expires_at);
    let again = headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let (status, ..) = fetch(&h, Method::GET, &format!("{API}/auth/whoami"), &[("cookie", &again)], "").await;
    assert_eq!(status, 200);
    let (status, headers, _) = fetch(&h, Method::POST, &format!("{API}/auth/logout"), &[("cookie", &again), ("x-csrf-token", &csrf)], "").await;
    assert!(status == 204 && headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(fetch(&h, Method::GET, &format!("{API}/auth/whoami"), &[("cookie", &cookie)], "").await.0, 401);
}

async fn no_other_site_signs_a_browser_in(h: Harness) {
    let path = format!("{API}/auth/login");
    let body = json!({"user": "alice", "password": PASSWORD, "cookie": true}).to_string();
    // A form of another site's page can send this text, but not as JSON.
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let (status, headers, body) = fetch(&h, Method::POST, &path, &[("content-type", kind)], &body).await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &problem["code"]), (400, &json!("SYN-1000")), "{kind}");
        assert!(!headers.contains_key("set-cookie"));
    }
    let json = ("content-type", "application/json; charset=utf-8");
    for (from, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)] {
        let (found, headers, _) = fetch(&h, Method::POST, &path, &[json, ("sec-fetch-site", from)], &body).await;
        assert_eq!((found, headers.contains_key("set-cookie")), (status, status == 200), "{from}");
    }
    // Without a cookie there is nothing another page could gain.
    let plain = json!({"user": "alice", "password": PASSWORD}).to_string();
    assert_eq!(fetch(&h, Method::POST, &path, &[("content-type", "text/plain")], &plain).await.0, 200);
}

async fn everything_lies_under_a_prefix_too(mut h: Harness) {
    h.start_with(|config| config.url = Some("https://ops.example.com/synod".into())).await;
    let (set, _) = sign_in(&h, "/synod").await;
    assert!(set.contains("; Path=/synod;"), "{set}");
    let cookie = set.split(';').next().unwrap().to_owned();
    for under in ["/synod", ""] {
        let (status, ..) = fetch(&h, Method::GET, &format!("{under}{API}/auth/whoami"), &[("cookie", &cookie)], "").await;
        assert_eq!(status, 200, "under `{under}`");
        for path in ["/healthz", "/openapi.json", "/audit/key"] {
            assert_eq!(fetch(&h, Method::GET, &format!("{under}{path}"), &[], "").await.0, 200, "{under}{path}");
        }
        for path in ["/", "/runs/1"] {
            let (status, _, text) = page(&h, &format!("{under}{path}")).await;
            assert!(status == 200 && text.contains("\"/synod/"), "{under}{path} does not say where everything lies");
        }
    }
    assert_eq!(page(&h, "/synod").await.0, 200);
    // A prefix that looks like one of Synod's own places is refused before anything starts.
    let wrong = synod_server::Config { url: Some("https://ops.example.com/api".into()), ..h.config().clone() };
    assert_eq!(wrong.check().unwrap_err().code().id, "SYN-1011");
}

async fn large_answers_are_packed(h: Harness) {
    let (_, headers, plain) = fetch(&h, Method::GET, "/openapi.json", &[], "").await;
    assert!(!headers.contains_key("content-encoding") && headers["vary"] == "accept-encoding");
    let (_, headers, packed) = fetch(&h, Method::GET, "/openapi.json", &[("accept-encoding", "gzip")], "").await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(packed.len() * 4 < plain.len() && packed.starts_with(&[0x1f, 0x8b]), "{} of {}", packed.len(), plain.len());
    let (_, headers, _) = fetch(&h, Method::GET, "/healthz", &[("accept-encoding", "gzip")], "").await;
    assert!(!headers.contains_key("content-encoding"), "small answers are not");
}
