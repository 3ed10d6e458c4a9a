//! What is believed of a server's trust root and audit log: as told by options, else as seen first. A change is refused.

use clap::Args;
use synod_protocol::http::client::{Client, accept, collect};
use synod_protocol::http::trust::{RootQuery, Roots};
use synod_trust::audit::VerifierKey;
use synod_trust::{Chain, Envelope};

use crate::cmd::API;
use crate::context::{Pins, Store};
use crate::exit::{Exit, Fault, Result};
use crate::output::{clean, note};
use crate::session::{App, normal, target};

/// What to believe, when it is told.
#[derive(Debug, Clone, Default, Args)]
pub struct PinArgs {
    /// Digest of the trust root to believe; all later ones must follow it
    #[arg(long, env = "SYNOD_TRUST_ROOT", value_name = "SHA256", hide_env_values = true)]
    pub trust_root: Option<String>,
    /// Verifier key of the audit log to believe: NAME+ID+KEY
    #[arg(long, env = "SYNOD_LOG_KEY", value_name = "KEY", hide_env_values = true)]
    pub log_key: Option<String>,
}

/// What is believed, and where it is kept.
#[derive(Debug)]
pub struct Book {
    login: Option<(Store, String)>,
    kept: Pins,
    given: PinArgs,
}

impl Book {
    /// With what options say and the saved login has.
    pub fn open(given: &PinArgs, app: &App<'_>) -> Result<Self> {
        // Without a server there is no login, and nothing but options to go by.
        let login = target(&app.globals, Store::of_user).ok().and_then(|(target, login)| Some((target.context?, login?)));
        let (login, kept) = match login {
            Some((name, login)) => (Some((Store::of_user()?, name)), login.pins),
            None => (None, Pins::default()),
        };
        if let Some(digest) = &given.trust_root {
            check_digest(digest)?;
        }
        Ok(Self { login, kept, given: given.clone() })
    }

    /// The digest all roots must follow.
    pub fn root(&self) -> Option<String> {
        self.given.trust_root.as_deref().map(normal).or_else(|| self.kept.trust_root.clone())
    }

    /// The newest version of the trust root that was seen, when these roots are of the same line.
    pub fn newest_known(&self, roots: &[Envelope]) -> Option<u64> {
        let kept = self.kept.trust_root.as_deref()?;
        let same = self.root().as_deref() == Some(kept) || roots.iter().any(|root| digest(root) == kept);
        self.kept.trust_version.filter(|_| same)
    }

    /// The key heads of the log must be signed by.
    pub fn log_key(&self) -> Result<Option<VerifierKey>> {
        let text = self.given.log_key.as_ref().or(self.kept.log_key.as_ref());
        text.map(|text| text.trim().parse().map_err(Fault::usage)).transpose()
    }

    /// Looks at all roots a server shows, and keeps what is new.
    pub async fn see_roots(&mut self, client: &Client) -> Result<Option<Chain>> {
        let shown: Roots = client.query(&format!("{API}/trust/roots"), &RootQuery::default()).await?;
        let envelopes: Vec<Envelope> = shown.roots.into_iter().map(|root| root.envelope).collect();
        let newest = self.kept.trust_version.filter(|_| self.given.trust_root.is_none());
        let Some(chain) = follow(self.root().as_deref(), newest, &envelopes)? else { return Ok(None) };
        let (first, version) = (chain.roots()[0].digest().to_owned(), chain.newest().version());
        if self.root().is_none() {
            self.tell_first(&format!("the trust root {first}"));
        }
        self.keep(|pins| {
            pins.trust_root = Some(first);
            pins.trust_version = Some(version);
        })?;
        Ok(Some(chain))
    }

    /// Looks at the key the server shows for its log, and keeps it when it is the first.
    pub async fn see_log_key(&mut self, client: &Client) -> Result<VerifierKey> {
        let answer = accept(
            client
                .raw(http::Method::GET, synod_protocol::http::audit::KEY, &[("accept", "text/plain, application/problem+json")], bytes::Bytes::new())
                .await?,
        )
        .await?;
        let text = String::from_utf8_lossy(&collect(answer).await?).into_owned();
        self.see_key(text.trim())
    }

    fn see_key(&mut self, shown: &str) -> Result<VerifierKey> {
        let key = same_key(self.log_key()?.as_ref(), shown)?;
        if self.log_key()?.is_none() {
            self.tell_first(&format!("the audit log {key}"));
        }
        self.keep(|pins| pins.log_key = Some(key.to_string()))?;
        Ok(key)
    }

    fn tell_first(&self, what: &str) {
        note(&clean(&format!("seen for the first time: {what}")));
        if self.login.is_some() {
            note("It is pinned from now on, and a change is refused. Compare it with what others see.");
        } else {
            note("It is not kept, since no saved login is used: pass it with --trust-root and --log-key.");
        }
    }

    fn keep(&mut self, change: impl FnOnce(&mut Pins)) -> Result<()> {
        let before = self.kept.clone();
        change(&mut self.kept);
        let (Some((store, name)), true) = (&self.login, before != self.kept) else { return Ok(()) };
        store.update(|all| {
            if let Some(login) = all.contexts.get_mut(name) {
                login.pins = self.kept.clone();
            }
            Ok(())
        })
    }
}

fn check_digest(text: &str) -> Result<()> {
    let digest = normal(text);
    let hash = digest.trim_start_matches("sha256:");
    let fine = hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit());
    fine.then_some(())
        .ok_or_else(|| Fault::usage(format!("`{text}` is not the digest of a trust root; write sha256: and 64 hexadecimal digits")))
}

/// Walks from the pinned root, or from the first that is shown, to the newest.
pub fn follow(pinned: Option<&str>, newest: Option<u64>, shown: &[Envelope]) -> Result<Option<Chain>> {
    let refused = |what: String| {
        Fault::new(Exit::Denied, format!("the server shows a trust root that is not believed here: {what}\nSomebody may have replaced it."))
            .help("ask a holder of the trust root which is right; if it was set up anew, pass the new digest once: `synod trust show --trust-root sha256:…`")
    };
    let first = match (shown.first(), pinned) {
        (None, None) => return Ok(None),
        (None, Some(pinned)) => return Err(refused(format!("it shows none, and {pinned} is pinned"))),
        (Some(first), None) => digest(first),
        (Some(_), Some(pinned)) => pinned.to_owned(),
    };
    let chain = Chain::walk(from_pinned(shown, &first), &first).map_err(|e| refused(e.to_string()))?;
    let found = chain.newest().version();
    match newest {
        Some(known) if found < known => Err(refused(format!("version {found} is its newest, and it has shown version {known} before"))),
        _ => Ok(Some(chain)),
    }
}

/// What of these roots begins with the pinned one; all when it is not among them, so that this is what is told.
pub fn from_pinned<'a>(roots: &'a [Envelope], pinned: &str) -> &'a [Envelope] {
    let at = roots.iter().position(|root| digest(root) == pinned).unwrap_or(0);
    &roots[at..]
}

fn digest(envelope: &Envelope) -> String {
    synod_trust::strict::from_base64(&envelope.payload).map(|payload| synod_domain::canonical::digest(&payload)).unwrap_or_default()
}

/// The key that is shown, when it is the pinned one or none is pinned.
fn same_key(pinned: Option<&VerifierKey>, shown: &str) -> Result<VerifierKey> {
    let key: VerifierKey = shown.parse().map_err(|why: String| Fault::new(Exit::Internal, format!("the server's log key cannot be read: {why}")))?;
    match pinned {
        Some(pinned) if *pinned != key => {
            let message = format!("the server shows another key of its audit log\n  pinned {pinned}\n  shown  {key}\nSomebody may have replaced the log.");
            Err(Fault::new(Exit::Denied, message)
                .help("ask whoever runs the server; if it was set up anew, pass the new one once: `synod audit verify --log-key KEY`"))
        }
        _ => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use synod_trust::audit::NoteSigner;
    use synod_trust::testing::{doc, hour, root_json, signed_root, signer};

    fn roots() -> (Vec<Envelope>, String, String) {
        let one = root_json();
        let first = doc(&one).seal().1;
        let mut two = root_json();
        two["version"] = json!(2);
        two["previous"] = json!(first);
        two["createdAt"] = json!(hour(24));
        two["expiresAt"] = json!(hour(24 * 400));
        let second = doc(&two).seal().1;
        let by = [&signer("ann"), &signer("bob")];
        (vec![signed_root(&one, &by), signed_root(&two, &by)], first, second)
    }

    fn told(outcome: Result<Option<Chain>>) -> String {
        let fault = outcome.unwrap_err();
        assert_eq!(fault.exit(), Exit::Denied);
        format!("{fault:?}")
    }

    #[test]
    fn roots_are_followed_from_the_pinned_one_only() {
        let (shown, first, second) = roots();
        assert!(follow(None, None, &[]).unwrap().is_none());
        assert_eq!(follow(None, None, &shown).unwrap().unwrap().roots()[0].digest(), first);
        assert_eq!(follow(Some(&first), Some(2), &shown).unwrap().unwrap().newest().digest(), second);
        // A pin may be of a later version than the first that is shown.
        assert_eq!(follow(Some(&second), None, &shown).unwrap().unwrap().roots().len(), 1);
        assert!(told(follow(Some(&first), Some(2), &shown[..1])).contains("has shown version 2 before"));
        assert!(told(follow(Some(&first), None, &[])).contains("it shows none"));
        // What was seen counts for evidence from files too, and only for roots of the same line.
        let book = |given: Option<&str>| Book {
            login: None,
            kept: Pins { trust_root: Some(first.clone()), trust_version: Some(2), ..Pins::default() },
            given: PinArgs { trust_root: given.map(str::to_owned), log_key: None },
        };
        let stranger = format!("sha256:{}", "0".repeat(64));
        assert_eq!((book(None).newest_known(&[]), book(Some(&first)).newest_known(&[])), (Some(2), Some(2)));
        assert_eq!((book(Some(&second)).newest_known(&shown), book(Some(&stranger)).newest_known(&[])), (Some(2), None));
        assert!(told(follow(Some(&format!("sha256:{}", "0".repeat(64))), None, &shown)).contains("is pinned here"));
        let mut unsigned = shown.clone();
        unsigned[1].signatures.truncate(1);
        assert!(told(follow(Some(&first), None, &unsigned)).contains("1 of 2 holders"));
    }

    #[test]
    fn another_log_key_is_refused() {
        let key = |seed| NoteSigner::from_seed("synod/x", &[seed; 32]).unwrap().verifier().clone();
        assert_eq!(same_key(None, &key(1).to_string()).unwrap(), key(1));
        assert_eq!(same_key(Some(&key(1)), &key(1).to_string()).unwrap(), key(1));
        let fault = same_key(Some(&key(1)), &key(2).to_string()).unwrap_err();
        assert!(fault.exit() == Exit::Denied && format!("{fault:?}").contains("another key of its audit log"));
        assert_eq!(same_key(None, "x").unwrap_err().exit(), Exit::Internal);
    }

    #[test]
    fn digests_are_checked_before_anything_is_sent() {
        assert!(check_digest(&format!("sha256:{}", "a".repeat(64))).is_ok());
        assert!(check_digest(&"A".repeat(64)).is_ok());
        assert!(check_digest("sha256:12").is_err());
    }
}
