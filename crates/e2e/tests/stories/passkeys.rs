//! Passkeys and SSH keys of accounts: registered, signed in by, confirmed by, signed with, and taken into a trust root.

use http::Method;
use serde_json::{Value, json};
use synod_domain::run::Phase;
use synod_domain::task;
use synod_e2e::*;
use synod_protocol::http::Page;
use synod_protocol::http::account_key::{NewPasskey, NewSshKey, Passkey, PasskeyChallenge, PasskeyLogin, PasskeyOptions, SshKey, UserKeys};
use synod_protocol::http::auth::{AuthMethods, LoginRequest, SessionToken, StepUpRequest, SteppedUp, WhoAmI};
use synod_protocol::http::client::Client;
use synod_protocol::http::run::{ApprovalRequest, Run};
use synod_protocol::http::trust::{RatifyRequest, SigningOrder};
use synod_protocol::http::user::{User, UserChange};
use synod_server::config::StepUp;
use synod_trust::strict::{from_base64, from_base64url};
use synod_trust::testing::{ClientData, Signer, passkeys};
use synod_trust::webauthn::Assertion;
use synod_trust::{Envelope, KeySpec};
use synod_worker::TrustMode;

stories! {
    a_passkey_signs_in_and_confirms
    a_challenge_is_answered_once_and_for_its_purpose
    a_copied_passkey_is_refused
    passkeys_tell_nobody_who_exists
    where_there_is_no_name_there_are_no_passkeys
    what_one_signs_with_is_changed_only_when_confirmed
    a_passkey_signs_a_decision
    ssh_keys_are_registered
}

/// Has the server be found at the site for which the sample passkeys are.
async fn at_site(h: &mut Harness) {
    h.start_with(|config| config.url = Some("https://synod.example.com".into())).await;
}

/// An authenticator with one passkey.
struct Authenticator {
    signer: Signer,
    counter: u32,
}

impl Authenticator {
    fn new(word: &str) -> Self {
        Self { signer: Signer::passkey_p256(word), counter: 0 }
    }

    fn created(&self, challenge: &str) -> NewPasskey {
        let mut client = ClientData { counter: self.counter, ..ClientData::asked("webauthn.create", &from_base64url(challenge).unwrap()) };
        client.flags |= 0x40;
        let (credential_id, authenticator_data, client_data_json) = self.signer.creation(&client);
        NewPasskey { name: "my laptop".into(), credential_id, authenticator_data, client_data_json, transports: vec!["internal".into()] }
    }

    fn answer(&mut self, challenge: &str) -> Assertion {
        self.counter += 1;
        self.copy(challenge)
    }

    /// What a copy of the authenticator answers, which does not know how often this one did.
    fn copy(&self, challenge: &str) -> Assertion {
        self.signer
            .assertion(&ClientData { counter: self.counter, ..ClientData::asked("webauthn.get", &from_base64url(challenge).unwrap()) })
    }

    async fn register(&self, who: &Client) -> Called<Passkey> {
        let options: PasskeyOptions = who.post(&format!("{API}/auth/passkeys/options"), &json!({})).await?;
        assert_eq!((options.rp.id.as_str(), options.algorithms.as_slice()), ("synod.example.com", &[-7, -8][..]));
        who.post(&format!("{API}/auth/passkeys"), &self.created(&options.challenge)).await
    }

    async fn login(&mut self, h: &Harness) -> Called<SessionToken> {
        let assertion = self.answer(&login_challenge(h).await);
        login_by(h, assertion).await
    }
}

async fn login_challenge(h: &Harness) -> String {
    let options: PasskeyChallenge = h.anyone().post(&format!("{API}/auth/passkey-login/options"), &json!({})).await.unwrap();
    assert!(options.allow.is_empty() && options.rp_id == "synod.example.com");
    options.challenge
}

async fn login_by(h: &Harness, assertion: Assertion) -> Called<SessionToken> {
    h.anyone().post(&format!("{API}/auth/passkey-login"), &PasskeyLogin { assertion, cookie: false }).await
}

async fn step_up_challenge(who: &Client) -> Called<PasskeyChallenge> {
    who.post(&format!("{API}/auth/step-up/options"), &json!({})).await
}

async fn whoami(who: &Client) -> WhoAmI {
    who.get(&format!("{API}/auth/whoami")).await.unwrap()
}

async fn a_passkey_signs_in_and_confirms(mut h: Harness) {
    at_site(&mut h).await;
    h.person("bob").await;
    let methods: AuthMethods = h.anyone().get(&format!("{API}/auth/methods")).await.unwrap();
    assert!(methods.bootstrapped && methods.passkeys.unwrap().origins.contains(&"https://synod.example.com".to_owned()));
    let bob = h.client("bob").await;
    refused(step_up_challenge(&bob).await, "SYN-3000");
    let mut laptop = Authenticator::new("bob");
    let registered = laptop.register(&bob).await.unwrap();
    assert_eq!(registered.key_id, laptop.signer.key().id().0);
    h.event("", "synod.user.key.added").await;
    // Whoever makes a first passkey has just been verified by it; from now on it is a second factor.
    let me = whoami(&bob).await;
    assert!(me.passkeys == 1 && !me.totp_enrolled && me.stepped_up_until.is_some() && me.csrf_token.is_none());
    // A password still signs in, but not as somebody confirmed.
    let by_password = h.login("bob").await;
    assert!(by_password.totp_enrolled);
    let other = h.client_with(Some(by_password.token));
    assert!(whoami(&other).await.stepped_up_until.is_none());
    let challenge = step_up_challenge(&other).await.unwrap();
    assert!(challenge.allow.len() == 1 && challenge.allow[0] == registered.credential_id);
    let assertion = laptop.answer(&challenge.challenge);
    let up: SteppedUp = other.post(&format!("{API}/auth/step-up"), &StepUpRequest { assertion: Some(assertion), totp: None }).await.unwrap();
    assert_eq!(whoami(&other).await.stepped_up_until, Some(up.until));
    // The passkey alone signs in, and as somebody confirmed.
    let session = laptop.login(&h).await.unwrap();
    assert_eq!(session.user, "bob");
    let me = whoami(&h.client_with(Some(session.token))).await;
    assert!(me.user == "bob" && me.stepped_up_until.is_some() && me.session_expires_at == Some(session.expires_at));
    let listed: Page<Passkey> = bob.get(&format!("{API}/auth/passkeys")).await.unwrap();
    assert!(listed.items[0].last_used_at.is_some() && listed.items[0].transports == ["internal"]);
    // With a cookie the token is hidden.
    let body = json!({"assertion": laptop.answer(&login_challenge(&h).await), "cookie": true}).to_string();
    let answer = h
        .anyone()
        .raw(Method::POST, &format!("{API}/auth/passkey-login"), &[("content-type", "application/json")], body.into())
        .await
        .unwrap();
    assert!(answer.headers()["set-cookie"].to_str().unwrap().starts_with("synod_session=g"));
    // An administrator takes them all away, which ends all sessions.
    let change = UserChange { remove_passkeys: Some(true), ..UserChange::default() };
    let _: User = h.client("alice").await.call(Method::PATCH, &format!("{API}/users/bob"), &[], Some(&change)).await.unwrap();
    refused(laptop.login(&h).await, "SYN-2001");
    refused(bob.get::<WhoAmI>(&format!("{API}/auth/whoami")).await, "SYN-2002");
    h.event("", "synod.user.key.removed").await;
}

async fn a_challenge_is_answered_once_and_for_its_purpose(mut h: Harness) {
    at_site(&mut h).await;
    for name in ["bob", "carol"] {
        h.person(name).await;
    }
    let bob = h.client("bob").await;
    let mut laptop = Authenticator::new("bob");
    let options: PasskeyOptions = bob.post(&format!("{API}/auth/passkeys/options"), &json!({})).await.unwrap();
    // Another's challenge, one for something else, one that was never given.
    let create = async |who: &Client, passkey: &NewPasskey| who.post::<_, Passkey>(&format!("{API}/auth/passkeys"), passkey).await;
    refused(create(&h.client("carol").await, &laptop.created(&options.challenge)).await, "SYN-2008");
    refused(create(&bob, &laptop.created(&login_challenge(&h).await)).await, "SYN-2008");
    refused(create(&bob, &laptop.created("AAAA")).await, "SYN-2008");
    create(&bob, &laptop.created(&options.challenge)).await.unwrap();
    refused(create(&bob, &laptop.created(&options.challenge)).await, "SYN-2008");
    refused(laptop.register(&bob).await, "SYN-3002");
    // A session is begun by an answer for that, and by no other.
    let up = step_up_challenge(&bob).await.unwrap().challenge;
    let assertion = laptop.answer(&up);
    refused(login_by(&h, assertion).await, "SYN-2008");
    let challenge = login_challenge(&h).await;
    let assertion = laptop.answer(&challenge);
    login_by(&h, assertion.clone()).await.unwrap();
    refused(login_by(&h, assertion).await, "SYN-2008");
    // A wrong answer uses the challenge up as well.
    let challenge = login_challenge(&h).await;
    let wrong = Authenticator { signer: Signer::passkey_p256("mallory"), counter: 9 }.copy(&challenge);
    let stolen = Assertion { credential_id: laptop.answer(&challenge).credential_id, ..wrong };
    refused(login_by(&h, stolen).await, "SYN-2001");
    let right = laptop.answer(&challenge);
    refused(login_by(&h, right).await, "SYN-2008");
    // Neither is one taken that has waited too long.
    let challenge = login_challenge(&h).await;
    h.clock.shift(301_000);
    let late = laptop.answer(&challenge);
    refused(login_by(&h, late).await, "SYN-2008");
    laptop.login(&h).await.unwrap();
    // Without having verified who is there, a passkey counts for nothing.
    let challenge = from_base64url(&login_challenge(&h).await).unwrap();
    let unverified = laptop.signer.assertion(&ClientData { flags: 0x01, counter: 99, ..ClientData::asked("webauthn.get", &challenge) });
    refused(login_by(&h, unverified).await, "SYN-2001");
}

async fn a_copied_passkey_is_refused(mut h: Harness) {
    at_site(&mut h).await;
    h.person("bob").await;
    let mut laptop = Authenticator::new("bob");
    laptop.register(&h.client("bob").await).await.unwrap();
    laptop.login(&h).await.unwrap();
    let copied = laptop.copy(&login_challenge(&h).await);
    refused(login_by(&h, copied).await, "SYN-2001");
    let suspect = h.event("", "synod.user.key.suspect").await;
    assert_eq!((suspect.subject.as_str(), &suspect.data["keyId"]), ("user/bob", &json!(laptop.signer.key().id().0)));
    laptop.login(&h).await.unwrap();
    // Confirming looks at it, too.
    let bob = h.client("bob").await;
    let copied = laptop.copy(&step_up_challenge(&bob).await.unwrap().challenge);
    let outcome: Called<SteppedUp> = bob.post(&format!("{API}/auth/step-up"), &StepUpRequest { assertion: Some(copied), totp: None }).await;
    assert!(refused(outcome, "SYN-2001").detail.contains("counter"));
    // Passkeys that are synchronised do not count at all.
    let mut synced = Authenticator { signer: Signer::passkey_ed25519("bob"), counter: 0 };
    synced.register(&bob).await.unwrap();
    for _ in 0..2 {
        let assertion = synced.copy(&login_challenge(&h).await);
        login_by(&h, assertion).await.unwrap();
    }
    synced.counter = 3;
    synced.login(&h).await.unwrap();
}

async fn passkeys_tell_nobody_who_exists(mut h: Harness) {
    at_site(&mut h).await;
    h.person("bob").await;
    let mut laptop = Authenticator::new("bob");
    laptop.register(&h.client("bob").await).await.unwrap();
    let asked = async |user: Value| -> PasskeyChallenge { h.anyone().post(&format!("{API}/auth/passkey-login/options"), &user).await.unwrap() };
    for user in [json!({"user": "bob"}), json!({"user": "ghost"}), json!({})] {
        let options = asked(user).await;
        assert!(options.allow.is_empty() && options.challenge.len() == 43);
    }
    let mut stranger = Authenticator::new("stranger");
    let unknown = refused(stranger.login(&h).await, "SYN-2001");
    let change = UserChange { enabled: Some(false), ..UserChange::default() };
    let _: User = h.client("alice").await.call(Method::PATCH, &format!("{API}/users/bob"), &[], Some(&change)).await.unwrap();
    let disabled = refused(laptop.login(&h).await, "SYN-2001");
    assert_eq!(unknown.detail, disabled.detail);
    // Trying goes slower and slower, for the known and the unknown alike.
    for mut who in [stranger, laptop] {
        for _ in 0..4 {
            refused(who.login(&h).await, "SYN-2001");
        }
        refused(who.login(&h).await, "SYN-2005");
    }
}

async fn where_there_is_no_name_there_are_no_passkeys(mut h: Harness) {
    // At the address of the machine itself, `localhost` is its name.
    let methods: AuthMethods = h.anyone().get(&format!("{API}/auth/methods")).await.unwrap();
    assert_eq!(methods.passkeys.unwrap().rp_id, "localhost");
    h.start_with(|config| config.url = Some("https://192.0.2.1:8443".into())).await;
    let methods: AuthMethods = h.anyone().get(&format!("{API}/auth/methods")).await.unwrap();
    assert!(methods.passkeys.is_none(), "the server is found at an address");
    let alice = h.client("alice").await;
    for (who, path) in [(&alice, "/auth/passkeys/options"), (&alice, "/auth/step-up/options"), (&h.anyone(), "/auth/passkey-login/options")] {
        let problem = refused(who.post::<_, Value>(&format!("{API}{path}"), &json!({})).await, "SYN-2007");
        assert!(problem.detail.contains("IP address"), "{problem:?}");
    }
    let both = StepUpRequest::default();
    names(&refused(alice.post::<_, SteppedUp>(&format!("{API}/auth/step-up"), &both).await, "SYN-1001"), "", "assertion");
}

async fn what_one_signs_with_is_changed_only_when_confirmed(mut h: Harness) {
    at_site(&mut h).await;
    h.start_with(|config| config.security.step_up = StepUp::Always).await;
    // Without a second factor nothing that changes access is possible, and a passkey is one.
    let alice = h.client("alice").await;
    let new = json!({"name": "bob", "password": PASSWORD});
    refused(alice.post::<_, User>(&format!("{API}/users"), &new).await, "SYN-2004");
    let mut laptop = Authenticator::new("alice");
    let registered = laptop.register(&alice).await.unwrap();
    let _: User = alice.post(&format!("{API}/users"), &new).await.unwrap();
    // A session that was not confirmed changes neither passkeys nor SSH keys.
    let stolen = h.client_with(Some(h.login("alice").await.token));
    let line = NewSshKey { name: "mine".into(), public_key: ssh_line("mallory") };
    refused(stolen.post::<_, SshKey>(&format!("{API}/auth/ssh-keys"), &line).await, "SYN-2004");
    refused(Authenticator::new("mallory").register(&stolen).await, "SYN-2004");
    let path = format!("{API}/auth/passkeys/{}", registered.id);
    refused(stolen.call::<(), Value>(Method::DELETE, &path, &[], None).await, "SYN-2004");
    // Another's key is not there to be removed.
    let bob = h.client("bob").await;
    refused(bob.call::<(), Value>(Method::DELETE, &path, &[], None).await, "SYN-3000");
    let challenge = step_up_challenge(&stolen).await.unwrap().challenge;
    let assertion = Some(laptop.answer(&challenge));
    let _: SteppedUp = stolen.post(&format!("{API}/auth/step-up"), &StepUpRequest { assertion, totp: None }).await.unwrap();
    let (status, _) = raw(&stolen, Method::DELETE, &format!("/auth/passkeys/{}", registered.id), &[], "").await;
    assert_eq!(status, 204);
    refused(laptop.login(&h).await, "SYN-2001");
}

fn ssh_line(word: &str) -> String {
    match Signer::ed25519(word).spec() {
        KeySpec::Ssh(line) => line,
        KeySpec::Passkey(_) => unreachable!("an SSH key"),
    }
}

/// The trust root of the stories, with passkeys for the people.
fn root(h: &Harness) -> Value {
    let mut root = h.root_json(1, None);
    root["passkeys"] = json!(passkeys());
    for (n, name) in ["alice", "bob", "carol"].iter().enumerate() {
        root["principals"][n]["keys"].as_array_mut().unwrap().push(json!(Signer::passkey_p256(name).spec()));
    }
    root
}

async fn order(who: &Client, run: &Run, request: Value) -> Called<SigningOrder> {
    who.post(&format!("{API}/runs/{}/signing", run.summary.id), &request).await
}

/// What a browser makes of an order: the envelope with the assertion's canonical bytes.
fn signed(order: &SigningOrder, name: &str) -> Envelope {
    let signer = Signer::passkey_p256(name);
    let assertion = signer.assertion(&ClientData::asked("webauthn.get", &from_base64url(&order.challenge).unwrap()));
    assert_eq!(order.credentials.iter().map(|c| c.credential_id.as_str()).collect::<Vec<_>>(), [assertion.credential_id.as_str()]);
    Envelope::new(&order.payload_type, &from_base64(&order.payload).unwrap()).with(&order.credentials[0].key_id, &assertion.to_bytes())
}

async fn a_passkey_signs_a_decision(h: Harness) {
    // For which site passkeys sign decisions is said by the trust root, wherever this server is found.
    h.shop("bob:approver carol:approver dave:requester erin").await;
    h.apply(vec![template("t", json!({}))]).await;
    let dave = h.client("dave").await;
    let document = root(&h);
    let pinned = synod_trust::testing::root(&document).digest().to_owned();
    let _agent = h.judging("web-7", TrustMode::Enforce, &pinned, None).await;
    let plain = request(&dave, &ask("t", json!({}))).await.unwrap();
    let open = order(&h.client("bob").await, &plain, json!({"decision": "approve"})).await.unwrap();
    assert!(!open.needed && open.credentials.is_empty() && open.rp_id.is_none());
    cancel(&dave, &plain.summary.id).await.unwrap();
    assert_eq!(h.publish(&document, &["alice", "bob"]).await.unwrap().digest, pinned);
    let run = request(&dave, &ask("t", json!({}))).await.unwrap();
    refused(order(&h.client("erin").await, &run, json!({"decision": "approve"})).await, "SYN-2100");
    for name in ["bob", "carol"] {
        let who = h.client(name).await;
        let asked = order(&who, &run, json!({"decision": "approve", "comment": "seen"})).await.unwrap();
        assert!(asked.needed && asked.rp_id.as_deref() == Some("synod.example.com") && asked.not_after == run.summary.approve_by);
        let send = async |comment: &str, envelope: Envelope| -> Called<Run> {
            let request = ApprovalRequest {
                digest: run.digest.clone(),
                decision: synod_domain::approval::Decision::Approve,
                comment: comment.into(),
                signature: Some(envelope),
            };
            who.post(&format!("{API}/runs/{}/approvals", run.summary.id), &request).await
        };
        refused(send("other words", signed(&asked, name)).await, "SYN-4101");
        // Somebody else's authenticator that claims to be this one.
        let challenge = from_base64url(&asked.challenge).unwrap();
        let other = Signer::passkey_p256("mallory").assertion(&ClientData::asked("webauthn.get", &challenge));
        let forged = Assertion { credential_id: asked.credentials[0].credential_id.clone(), ..other };
        let forged = Envelope::new(&asked.payload_type, &from_base64(&asked.payload).unwrap()).with(&asked.credentials[0].key_id, &forged.to_bytes());
        refused(send("seen", forged).await, "SYN-4101");
        send("seen", signed(&asked, name)).await.unwrap();
    }
    let done = ended(&dave, &run.summary.id).await;
    let web = tasks(&dave, &run.summary.id).await.remove(0);
    assert_eq!(web.phase, task::Phase::Succeeded, "{} {}", done.summary.message, web.reason);
    assert!(done.approvals.iter().all(|a| a.key.as_ref().is_some_and(|key| key.starts_with("passkey:"))));
    refused(order(&h.client("bob").await, &run, json!({"decision": "approve", "ratifies": true})).await, "SYN-4106");
    // Alone at night, and agreed to in the morning.
    let mut night = ask("t", json!({}));
    night.break_glass = Some("night".into());
    let bob = h.client("bob").await;
    let run = request(&bob, &night).await.unwrap();
    let asked = order(&bob, &run, json!({"decision": "approve"})).await.unwrap();
    let decision = ApprovalRequest {
        digest: run.digest.clone(),
        decision: synod_domain::approval::Decision::Approve,
        comment: String::new(),
        signature: Some(signed(&asked, "bob")),
    };
    let _: Run = bob.post(&format!("{API}/runs/{}/approvals", run.summary.id), &decision).await.unwrap();
    let run = ended(&bob, &run.summary.id).await;
    assert_eq!(run.summary.phase, Phase::Succeeded);
    let carol = h.client("carol").await;
    let asked = order(&carol, &run, json!({"decision": "approve", "ratifies": true})).await.unwrap();
    let request = RatifyRequest { signature: signed(&asked, "carol") };
    let _: Run = carol.post(&format!("{API}/runs/{}/ratify", run.summary.id), &request).await.unwrap();
}

async fn ssh_keys_are_registered(h: Harness) {
    h.person("bob").await;
    let bob = h.client("bob").await;
    let new = |name: &str, public_key: &str| NewSshKey { name: name.into(), public_key: public_key.into() };
    let create = async |request: NewSshKey| bob.post::<_, SshKey>(&format!("{API}/auth/ssh-keys"), &request).await;
    names(&refused(create(new("", &ssh_line("bob"))).await, "SYN-1001"), "/name", "1 to 100");
    names(&refused(create(new("x", "-----BEGIN OPENSSH PRIVATE KEY-----")).await, "SYN-1001"), "/publicKey", "private key");
    names(&refused(create(new("x", "ssh-rsa AAAA")).await, "SYN-1001"), "/publicKey", "ssh-ed25519");
    let key = create(new("laptop", &format!("{}\n", ssh_line("bob")))).await.unwrap();
    assert_eq!(key.key_id, Signer::ed25519("bob").key().id().0);
    refused(create(new("again", &ssh_line("bob"))).await, "SYN-3002");
    // Nobody can keep a key from its owner by naming it first: it is public.
    let carol = NewSshKey { name: "not mine".into(), public_key: ssh_line("bob") };
    let _: SshKey = h.client("alice").await.post(&format!("{API}/auth/ssh-keys"), &carol).await.unwrap();
    let keys: UserKeys = h.client("alice").await.get(&format!("{API}/users/bob/keys")).await.unwrap();
    assert_eq!(keys.keys.iter().map(|k| (k.kind.as_str(), k.key_id.as_str())).collect::<Vec<_>>(), [("ssh", key.key_id.as_str())]);
    assert_eq!(keys.keys[0].spec, Signer::ed25519("bob").spec());
    let added = h.event("", "synod.user.key.added").await;
    assert_eq!((added.actor.as_str(), &added.data["keyId"]), ("user:bob", &json!(key.key_id)));
    refused(h.client("alice").await.get::<UserKeys>(&format!("{API}/users/ghost/keys")).await, "SYN-3000");
    let (status, _) = raw(&bob, Method::DELETE, &format!("/auth/ssh-keys/{}", key.id), &[], "").await;
    assert_eq!(status, 204);
    h.event("", "synod.user.key.removed").await;
    let listed: Page<SshKey> = bob.get(&format!("{API}/auth/ssh-keys")).await.unwrap();
    assert!(listed.items.is_empty());
    // A password signs in as before, for an SSH key is no second factor.
    let request = LoginRequest { user: "bob".into(), password: PASSWORD.into(), totp: None, cookie: false };
    let session: SessionToken = h.anyone().post(&format!("{API}/auth/login"), &request).await.unwrap();
    assert!(!session.totp_enrolled);
}
