//! No accepted case survives any single change: every bit of every envelope, payload, signature, manifest and root, and
//! every value of every document.

use serde_json::{Value, json};
use synod_domain::approval::Decision;
use synod_domain::manifest::Manifest;
use synod_domain::time::Timestamp;

use crate::approval::{self, Refused, judge, judge_break_glass, judge_ratification, verify_one};
use crate::audit::VerifierKey;
use crate::bundle::{Bundle, Report, verify_bundle};
use crate::envelope::Envelope;
use crate::root::{Root, first};
use crate::testing::{self, After, break_glass_manifest, decision, doc, hour, manifest, people, root, root_json, signed_root, signer, yes};
use crate::{root as roots, strict};

struct Case {
    root: Root,
    manifest: Manifest,
    digest: String,
}

impl Case {
    fn new() -> Self {
        let manifest = manifest();
        let digest = manifest.seal().unwrap().1;
        Self { root: root(&root_json()), manifest, digest }
    }

    /// Judges one envelope together with those of two others.
    fn judge(&self, name: &str, envelope: Envelope) -> Result<(), Refused> {
        let others = people().into_iter().map(|(n, _)| n).filter(|n| *n != name).take(2);
        let mut envelopes: Vec<Envelope> = others.map(|n| yes(n, &self.manifest)).collect();
        envelopes.insert(0, envelope);
        judge(&self.root, &self.manifest, &self.digest, &envelopes, "web-1", hour(3)).map(drop)
    }
}

fn flipped(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut bent = bytes.to_vec();
        bent[bit / 8] ^= 1 << (bit % 8);
        (bit, bent)
    })
}

/// Every value of a document, each changed in a few ways that keep its type or not.
fn changed(document: &Value) -> Vec<(String, Value)> {
    fn leaves(value: &Value, pointer: String, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(k, v)| leaves(v, format!("{pointer}{}", synod_domain::problem::segment(k)), found)),
            Value::Array(items) => items.iter().enumerate().for_each(|(n, v)| leaves(v, format!("{pointer}/{n}"), found)),
            _ => found.push(pointer),
        }
    }
    let mut pointers = Vec::new();
    leaves(document, String::new(), &mut pointers);
    let mut out = Vec::new();
    for pointer in pointers {
        let old = document.pointer(&pointer).unwrap().clone();
        let others = match &old {
            Value::String(s) => {
                let mut swapped: Vec<char> = s.chars().collect();
                if let Some(c) = swapped.first_mut() {
                    *c = if *c == 'a' { 'b' } else { 'a' };
                }
                vec![json!(format!("{s}x")), json!(swapped.into_iter().collect::<String>()), json!(""), Value::Null]
            }
            Value::Number(n) => vec![json!(n.as_f64().unwrap() as i64 + 1), json!(n.as_f64().unwrap() + 0.25), json!(n.to_string())],
            Value::Bool(b) => vec![json!(!b), Value::Null],
            _ => vec![json!(0)],
        };
        for other in others.into_iter().filter(|other| *other != old) {
            let mut bent = document.clone();
            *bent.pointer_mut(&pointer).unwrap() = other.clone();
            out.push((format!("{pointer} = {other}"), bent));
        }
        // And left out, where it stands in an object.
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut bent = document.clone();
        if let Some(Value::Object(map)) = bent.pointer_mut(parent) {
            map.shift_remove(&name.replace("~1", "/").replace("~0", "~"));
            out.push((format!("{pointer} left out"), bent));
        }
    }
    out
}

#[test]
fn the_case_is_good_with_every_kind_of_key() {
    let case = Case::new();
    for (name, _) in people() {
        assert_eq!(case.judge(name, yes(name, &case.manifest)), Ok(()), "{name}");
    }
}

#[test]
fn no_bit_of_an_envelope_can_be_flipped() {
    let case = Case::new();
    for (name, _) in people() {
        for (bit, bent) in flipped(&yes(name, &case.manifest).to_bytes()) {
            let Ok(bent) = Envelope::read(&bent) else { continue };
            assert!(verify_one(&case.root, &bent).is_err(), "bit {bit} of {name}'s envelope");
        }
    }
}

#[test]
fn no_bit_of_a_payload_or_signature_can_be_flipped() {
    let case = Case::new();
    for (name, signer) in people() {
        let id = signer.key().id().0.clone();
        let opened = yes(name, &case.manifest).open(approval::PAYLOAD_TYPE).unwrap();
        for (bit, payload) in flipped(&opened.payload) {
            let bent = Envelope::new(approval::PAYLOAD_TYPE, &payload).with(&id, &opened.signatures[0].1);
            assert_eq!(verify_one(&case.root, &bent).unwrap_err().name(), "bad-signature", "bit {bit} of {name}'s payload");
        }
        for (bit, signature) in flipped(&opened.signatures[0].1) {
            let bent = Envelope::new(approval::PAYLOAD_TYPE, &opened.payload).with(&id, &signature);
            assert_eq!(verify_one(&case.root, &bent).unwrap_err().name(), "bad-signature", "bit {bit} of {name}'s signature");
        }
    }
}

#[test]
fn no_value_of_a_statement_or_envelope_can_be_changed() {
    let case = Case::new();
    for (name, signer) in people() {
        let envelope = yes(name, &case.manifest);
        for (what, bent) in changed(&serde_json::to_value(&envelope).unwrap()) {
            let Ok(bent) = serde_json::from_value::<Envelope>(bent) else { continue };
            assert!(case.judge(name, bent).is_err(), "{what}");
        }
        let opened = envelope.open(approval::PAYLOAD_TYPE).unwrap();
        for (what, bent) in changed(&serde_json::from_slice(&opened.payload).unwrap()) {
            let payload = synod_domain::canonical::canonical(&bent).unwrap();
            let bent = Envelope::new(approval::PAYLOAD_TYPE, &payload).with(&signer.key().id().0, &opened.signatures[0].1);
            assert_eq!(case.judge(name, bent).unwrap_err().name(), "bad-signature", "{what}");
        }
    }
}

#[test]
fn nothing_of_the_manifest_can_be_changed() {
    let case = Case::new();
    let envelopes: Vec<Envelope> = ["ann", "bob", "carol"].iter().map(|n| yes(n, &case.manifest)).collect();
    let (bytes, _) = case.manifest.seal().unwrap();
    let refused = |manifest: &Manifest, digest: &str, what: &str| {
        let outcome = judge(&case.root, manifest, digest, &envelopes, "web-1", hour(3));
        assert!(outcome.is_err(), "{what}");
    };
    for (bit, bent) in flipped(&bytes) {
        let Ok(manifest) = strict::read::<Manifest>(&bent) else { continue };
        refused(&manifest, &case.digest, &format!("bit {bit}, with the old digest"));
        refused(&manifest, &synod_domain::canonical::digest(&bent), &format!("bit {bit}, with its own digest"));
    }
    for (what, bent) in changed(&serde_json::from_slice(&bytes).unwrap()) {
        // What is read into the same manifest is the same manifest: an optional field that is null, say.
        let Some(manifest) = serde_json::from_value::<Manifest>(bent).ok().filter(|m| *m != case.manifest) else { continue };
        refused(&manifest, &case.digest, &what);
        refused(&manifest, &manifest.seal().unwrap().1, &what);
    }
}

/// One bit of each byte, each time another, and every value of a decision, with the signature it had.
fn bent(person: &str, envelope: &Envelope) -> Vec<(String, Envelope)> {
    let some = |(bit, _): &(usize, Vec<u8>)| bit % 8 == bit / 8 % 8;
    let mut all: Vec<(String, Envelope)> = flipped(&envelope.to_bytes())
        .filter(some)
        .filter_map(|(bit, bytes)| Some((format!("bit {bit} of the envelope"), Envelope::read(&bytes).ok()?)))
        .collect();
    let opened = envelope.open(approval::PAYLOAD_TYPE).unwrap();
    let id = signer(person).key().id().0.clone();
    let with = |payload: &[u8]| Envelope::new(approval::PAYLOAD_TYPE, payload).with(&id, &opened.signatures[0].1);
    all.extend(flipped(&opened.payload).filter(some).map(|(bit, payload)| (format!("bit {bit} of the payload"), with(&payload))));
    let values = changed(&serde_json::from_slice(&opened.payload).unwrap());
    all.extend(values.into_iter().map(|(what, value)| (what, with(&synod_domain::canonical::canonical(&value).unwrap()))));
    all
}

#[test]
fn nothing_of_a_start_alone_or_of_its_ratification_can_be_changed() {
    let mut case = Case::new();
    case.manifest = break_glass_manifest();
    case.digest = case.manifest.seal().unwrap().1;
    let alone = decision("ann", &signer("ann"), &case.manifest, Decision::Approve, |said| said.break_glass = true);
    let start = |manifest: &Manifest, digest: &str, envelope: &Envelope| {
        judge_break_glass(&case.root, manifest, digest, "night", envelope, "web-1", 0, hour(3)).map(drop)
    };
    assert_eq!(start(&case.manifest, &case.digest, &alone), Ok(()));
    for (what, envelope) in bent("ann", &alone) {
        assert!(start(&case.manifest, &case.digest, &envelope).is_err(), "{what}");
    }
    for (what, value) in changed(&serde_json::to_value(&case.manifest).unwrap()) {
        let Some(manifest) = serde_json::from_value::<Manifest>(value).ok().filter(|m| *m != case.manifest) else { continue };
        assert!(start(&manifest, &case.digest, &alone).is_err(), "{what}, with the old digest");
        assert!(start(&manifest, &manifest.seal().unwrap().1, &alone).is_err(), "{what}, with its own digest");
    }
    let after = |name: &str| decision(name, &signer(name), &case.manifest, Decision::Approve, |said| said.ratifies = true);
    let ratify = |envelopes: &[Envelope]| judge_ratification(&case.root, &case.manifest, &case.digest, envelopes, "web-1", hour(3)).map(drop);
    assert_eq!(ratify(&["bob", "carol", "eve"].map(after)), Ok(()));
    for name in ["bob", "carol", "eve"] {
        let others = ["bob", "carol", "eve"].into_iter().filter(|other| *other != name).map(after).collect::<Vec<_>>();
        for (what, envelope) in bent(name, &after(name)) {
            assert!(ratify(&[&others[..], &[envelope]].concat()).is_err(), "{name}: {what}");
        }
    }
}

#[test]
fn no_bit_of_a_pinned_root_can_be_flipped() {
    let digest = doc(&root_json()).seal().1;
    let good = signed_root(&root_json(), &[&signer("ann"), &signer("carol")]);
    assert!(first(&good, &digest).is_ok());
    for (bit, bent) in flipped(&strict::from_base64(&good.payload).unwrap()) {
        let bent = Envelope { payload: strict::to_base64(&bent), ..good.clone() };
        assert_eq!(first(&bent, &digest).unwrap_err().name(), "not-pinned", "bit {bit}");
    }
    for n in 0..2 {
        for (bit, signature) in flipped(&strict::from_base64(&good.signatures[n].sig).unwrap()) {
            let mut bent = good.clone();
            bent.signatures[n].sig = strict::to_base64(&signature);
            assert_eq!(first(&bent, &digest).unwrap_err().name(), "bad-signature", "bit {bit} of signature {n}");
        }
    }
}

#[test]
fn nothing_of_the_next_root_can_be_changed() {
    // No pin protects it, only the signatures.
    let current = root(&root_json());
    let mut next = root_json();
    next["version"] = json!(2);
    next["previous"] = json!(current.digest());
    let good = signed_root(&next, &[&signer("ann"), &signer("carol")]);
    assert!(matches!(roots::accept_next(&current, &good), Ok(roots::Next::New(_))));
    let payload = strict::from_base64(&good.payload).unwrap();
    for (what, bent) in changed(&next) {
        let Ok(bent) = serde_json::from_value::<roots::RootDoc>(bent) else { continue };
        // A default that is left out or written out is the same document.
        let Some(bent) = Some(bent.seal().0).filter(|bent| *bent != payload) else { continue };
        let bent = Envelope { payload: strict::to_base64(&bent), ..good.clone() };
        assert!(!matches!(roots::accept_next(&current, &bent), Ok(roots::Next::New(_))), "{what}");
    }
    // One bit of each byte: a signature does not care which, and reading a root takes its time.
    for (bit, bent) in flipped(&payload).filter(|(bit, _)| bit % 8 == bit / 8 % 8) {
        let bent = Envelope { payload: strict::to_base64(&bent), ..good.clone() };
        assert!(roots::accept_next(&current, &bent).is_err(), "bit {bit}");
    }
}

/// Every document with one element less somewhere.
fn shortened(document: &Value) -> Vec<(String, Value)> {
    fn lists(value: &Value, pointer: String, found: &mut Vec<(String, usize)>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(k, v)| lists(v, format!("{pointer}{}", synod_domain::problem::segment(k)), found)),
            Value::Array(items) => {
                found.extend((0..items.len()).map(|n| (pointer.clone(), n)));
                items.iter().enumerate().for_each(|(n, v)| lists(v, format!("{pointer}/{n}"), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    lists(document, String::new(), &mut found);
    let less = |(pointer, n): (String, usize)| {
        let mut bent = document.clone();
        bent.pointer_mut(&pointer).and_then(Value::as_array_mut).unwrap().remove(n);
        (format!("{pointer}/{n} dropped"), bent)
    };
    found.into_iter().map(less).collect()
}

/// What may be kept back from evidence that still holds, and the words by which the report tells of it: nobody can prove that
/// something is all there is, but what is missing is named.
const KEPT_BACK: [(&str, &str); 2] = [("/results/", "for what the events tell of these no node vouches: web-"), ("/ratifications/", "tells of a ratification")];

/// Changes a bundle in all these ways, of which none may pass; `wanted` is what is to be said of it unchanged, and so many of
/// its parts may be kept back.
fn nothing_passes(case: &str, judged: (Bundle, String, VerifierKey, Timestamp), wanted: &[&str], kept_back: usize, change: fn(&Value) -> Vec<(String, Value)>) {
    let (bundle, pinned, log, now) = judged;
    let judge = |value: &Value| Some(verify_bundle(&Bundle::read(&serde_json::to_vec(value).unwrap()).ok()?, &pinned, &log, now));
    let failures = |report: &Report| -> Vec<String> { report.checks.iter().filter(|c| !c.ok).map(|c| format!("{}: {}", c.what, c.why)).collect() };
    let value = serde_json::to_value(&bundle).unwrap();
    assert_eq!(failures(&judge(&value).unwrap()), wanted, "{case}");
    let mut told = 0;
    for (what, bent) in change(&value).into_iter().chain(shortened(&value)) {
        let Some(report) = judge(&bent).filter(|report| failures(report) == wanted) else { continue };
        let words = KEPT_BACK.iter().find(|(at, _)| what.starts_with(at) && what.ends_with(" dropped")).map(|(_, words)| *words);
        let said = |words: &str| report.checks.iter().map(|check| &check.why).chain(&report.unproven).any(|said| said.contains(words));
        assert!(words.is_some_and(said), "{case}: {what}");
        told += 1;
    }
    assert_eq!(told, kept_back, "{case}: what may be kept back");
}

#[test]
fn no_value_of_a_bundle_can_be_changed() {
    nothing_passes("agreed to", testing::bundle(), &[], 3, changed);
}

/// Every value once, and left out: the like of all other changes is tried with what was agreed to.
fn changed_once(document: &Value) -> Vec<(String, Value)> {
    let mut last = String::new();
    let mut fresh = |what: &str| match what.split_once(" = ") {
        Some((pointer, _)) if pointer == last => false,
        Some((pointer, _)) => {
            last = pointer.to_owned();
            true
        }
        None => true,
    };
    changed(document).into_iter().filter(|(what, _)| fresh(what)).collect()
}

#[test]
fn no_value_of_a_bundle_of_a_start_alone_can_be_changed() {
    for after in testing::AFTER {
        // Until somebody looks at it such a run does not pass; but a change must not hide behind that. While it is not ratified,
        // and when it never was, one ratification less is not missed, but told of.
        let (wanted, kept_back): (&[&str], _) = match after {
            After::Unratified => (&["after the fact: not ratified, and no incident was recorded"], 4),
            After::Ratified => (&[], 3),
            After::Incident => (&[], 4),
        };
        nothing_passes(&format!("{after:?}"), testing::break_glass_bundle(after), wanted, kept_back, changed_once);
    }
}
