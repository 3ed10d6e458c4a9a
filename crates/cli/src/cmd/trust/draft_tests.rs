//! Tests of drafting trust roots.

use super::*;
use synod_trust::key::Purpose;
use synod_trust::testing::{self, Signer, hour};
use synod_trust::{Chain, root};

fn spec(word: &str) -> KeySpec {
    Signer::ed25519(word).spec()
}

fn first() -> First {
    let people = ["ann", "bob", "carol"].map(|name| (name.to_owned(), vec![spec(name)]));
    First { threshold: 2, people: people.to_vec(), approvals: 2, ..First::default() }
}

fn signed(root: &Root, by: &[&str]) -> Envelope {
    by.iter().fold(unsigned(root), |envelope, name| Signer::ed25519(name).sign(Purpose::Root, envelope))
}

#[test]
fn a_first_root_is_sound_and_has_one_spelling() {
    let made = sound(first().document(hour(0), Span::secs(86_400)).unwrap()).unwrap();
    assert_eq!((made.version(), made.holders().len(), made.doc().expires_at), (1, 3, hour(24)));
    let rule = &made.doc().rules[0];
    assert_eq!((rule.templates.as_slice(), rule.nodes.as_slice(), rule.approval.rules[0].count), (&["*/*".to_owned()][..], &["*".to_owned()][..], 2));
    let envelope = unsigned(&made);
    assert!(envelope.signatures.is_empty());
    let opened = envelope.open(root::PAYLOAD_TYPE).unwrap();
    assert_eq!(Root::read(&opened.payload).unwrap(), made, "the payload is canonical");
    // Signed by two, it begins a chain.
    assert!(Chain::first(&signed(&made, &["ann", "bob"]), made.digest()).is_ok());
    assert!(Chain::first(&signed(&made, &["ann"]), made.digest()).is_err());

    let named = First { holders: vec!["ann".into(), "bob".into()], groups: vec!["oncall=bob,carol".parse().unwrap()], ..first() };
    let made = sound(named.document(hour(0), Span::secs(86_400)).unwrap()).unwrap();
    assert_eq!((made.holders().len(), &made.principal("carol").unwrap().groups), (2, &vec!["oncall".to_owned()]));
    let stranger = First { holders: vec!["zoe".into()], ..first() };
    assert!(format!("{:?}", stranger.document(hour(0), Span::secs(1)).unwrap_err()).contains("zoe"));
    let fault = sound(First { threshold: 9, ..first() }.document(hour(0), Span::secs(1)).unwrap()).unwrap_err();
    assert!(fault.exit() == Exit::Usage && format!("{fault:?}").contains("/threshold"), "{fault:?}");
}

#[test]
fn rules_read_as_written() {
    let made = rule("shop:shop/*,ops/*:web-*:2:group=oncall").unwrap();
    assert_eq!((made.name.as_str(), made.templates.len(), &made.approval.rules[0].from), ("shop", 2, &Approvers::Group("oncall".into())));
    assert_eq!(rule("a:*/*:*:1:user=ann").unwrap().approval.rules[0].from, Approvers::User("ann".into()));
    assert_eq!(rule("a:*/*:*:1:approver").unwrap().approval.rules[0].from, Approvers::Role(Role::Approver));
    for (wrong, words) in
        [("shop", "NAME:TEMPLATES"), ("a:b:c:x:approver", "number"), ("a:b:c:1:aprover", "did you mean `approver`"), ("a:b:c:1:team=x", "nobody")]
    {
        assert!(rule(wrong).unwrap_err().contains(words), "{wrong}: {}", rule(wrong).unwrap_err());
    }
    let open = break_glass("night:ann,bob:shop/*:web-*:2:5").unwrap();
    assert_eq!((open.who.len(), open.per_day, open.max_nodes), (2, 2, 5));
    assert!(!open.author_may_start && break_glass("night:ann:shop/*:web-*:2:5:author").unwrap().author_may_start);
    assert!(break_glass("night:ann:shop/*:web-*:2:5:owner").unwrap_err().contains(":author"));
    assert!(break_glass("night:ann:x:y:many:5").unwrap_err().contains("many"));
    assert_eq!("ann=a,b".parse::<Named>().unwrap().items, ["a", "b"]);
    assert!("ann".parse::<Named>().is_err() && "=a".parse::<Named>().is_err() && "ann=".parse::<Named>().is_err());
}

#[test]
fn keys_come_from_files_and_private_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let KeySpec::Ssh(line) = spec("ann") else { panic!() };
    let file = folder.path().join("ann.pub");
    std::fs::write(&file, format!("# two\n{line}\n\n")).unwrap();
    assert_eq!(keys(&[file.display().to_string()]).unwrap(), vec![spec("ann")]);
    let private = folder.path().join("ann");
    std::fs::write(&private, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    let fault = format!("{:?}", keys(&[private.display().to_string()]).unwrap_err());
    assert!(fault.contains("ann.pub"), "{fault}");
    std::fs::write(&private, "ssh-rsa AAAA").unwrap();
    assert!(keys(&[private.display().to_string()]).is_err());
    std::fs::write(&private, "").unwrap();
    assert!(format!("{:?}", keys(&[private.display().to_string()]).unwrap_err()).contains("no public key"));
}

#[test]
fn a_written_root_is_completed_and_defects_have_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.yaml");
    let made = sound(first().document(hour(0), Span::secs(86_400)).unwrap()).unwrap();
    // What `show -o yaml` writes goes back in, whatever version and times it says.
    std::fs::write(&file, crate::output::yaml(made.doc()).unwrap()).unwrap();
    let written = Written::read(&file).unwrap();
    let again = written.sound(written.document(None, hour(5), None).unwrap()).unwrap();
    assert_eq!((again.version(), again.doc().created_at, &again.doc().rules), (1, hour(5), &made.doc().rules));
    let next = written.sound(written.document(Some(&made), hour(5), Some(Span::secs(3600))).unwrap()).unwrap();
    assert_eq!((next.version(), next.doc().previous.as_deref(), next.doc().expires_at), (2, Some(made.digest()), hour(6)));

    std::fs::write(&file, "threshold: 5\nprincipals:\n  - name: ann\n    root: true\n    keys: [nonsense]\nrules: []\n").unwrap();
    let written = Written::read(&file).unwrap();
    let fault = written.sound(written.document(None, hour(0), None).unwrap()).unwrap_err();
    let Fault::Plain { message, .. } = fault else { panic!() };
    assert!(message.contains("root.yaml:1:12: 5 signatures are asked for") && message.contains("root.yaml:5:"), "{message}");
    std::fs::write(&file, "treshold: 1\n").unwrap();
    assert!(format!("{:?}", Written::read(&file).unwrap().document(None, hour(0), None).unwrap_err()).contains("treshold"));
}

#[test]
fn the_next_root_follows_and_edits_are_made() {
    let one = sound(first().document(hour(0), Span::secs(86_400)).unwrap()).unwrap();
    let mut doc = next(&one, hour(10), None);
    assert_eq!((doc.version, doc.created_at, doc.expires_at), (2, hour(10), hour(34)));
    let edits = Edits {
        add: vec![("dan".into(), vec![spec("dan")])],
        remove: vec!["carol".into()],
        add_keys: vec![("ann".into(), vec![spec("ann 2")])],
        holders: vec!["dan".into()],
        groups: vec!["oncall=dan,bob".parse().unwrap()],
        ..Edits::default()
    };
    edits.apply(&mut doc).unwrap();
    let two = sound(doc).unwrap();
    assert!(two.principal("carol").is_none() && two.principal("dan").unwrap().root && two.principal("ann").unwrap().keys.len() == 2);
    assert_eq!(two.principal("bob").unwrap().groups, ["oncall"]);
    let mut chain = Chain::first(&signed(&one, &["ann", "bob"]), one.digest()).unwrap();
    assert_eq!(chain.accept_next(&signed(&two, &["ann", "bob"])), Ok(true));
    // A clock that is behind makes no root that would be refused.
    assert_eq!(next(&two, hour(0), None).created_at, hour(10));

    let mut doc = next(&two, hour(11), None);
    for wrong in [
        Edits { remove: vec!["zoe".into()], ..Edits::default() },
        Edits { add: vec![("ann".into(), vec![])], ..Edits::default() },
        Edits { add_keys: vec![("zoe".into(), vec![])], ..Edits::default() },
    ] {
        assert_eq!(wrong.apply(&mut doc).unwrap_err().exit(), Exit::Usage);
    }
}

#[test]
fn a_revoked_key_counts_no_more_and_stays_listed() {
    let one = testing::root(&testing::root_json());
    let lost = testing::signer("ann").key().id().clone();
    let mut doc = next(&one, hour(10), None);
    assert_eq!(revoke(&mut doc, &lost.0, "stolen laptop", hour(10)).unwrap(), std::slice::from_ref(&lost));
    // Ann had but one key, so she is gone, and with her the rule that was hers alone.
    assert!(doc.break_glass.is_empty() && !doc.principals.iter().any(|p| p.name == "ann"));
    let two = sound(doc).unwrap();
    assert_eq!(two.revoked(&lost).unwrap().reason, "stolen laptop");
    let mut doc = next(&two, hour(11), None);
    assert_eq!(revoke(&mut doc, &lost.0, "again", hour(11)).unwrap_err().exit(), Exit::Conflict);
    assert_eq!(revoke(&mut doc, "eve", "left", hour(11)).unwrap(), [testing::signer("eve").key().id().clone()]);
    assert_eq!(revoke(&mut doc, "zoe", "left", hour(11)).unwrap_err().exit(), Exit::Usage);
}

#[test]
fn copies_signed_apart_go_together() {
    let made = sound(first().document(hour(0), Span::secs(86_400)).unwrap()).unwrap();
    let copies = [signed(&made, &["ann"]), signed(&made, &["bob"]), signed(&made, &["ann"])].map(|e| (PathBuf::from("x.json"), e));
    let all = merge(copies.to_vec()).unwrap();
    assert_eq!(all.signatures.len(), 2);
    assert!(Chain::first(&all, made.digest()).is_ok());
    let other = sound(first().document(hour(1), Span::secs(86_400)).unwrap()).unwrap();
    assert!(merge(vec![("a".into(), unsigned(&made)), ("b".into(), unsigned(&other))]).is_err());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root-1.json");
    std::fs::write(&file, crate::output::json(&all).unwrap()).unwrap();
    assert_eq!(read_envelope(&file).unwrap(), (all, made));
    std::fs::write(&file, "{}").unwrap();
    assert!(read_envelope(&file).is_err());
}
