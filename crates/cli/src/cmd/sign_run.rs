//! Signed decisions on runs: what a person signs, with which of their keys.

use std::path::PathBuf;

use synod_domain::Timestamp;
use synod_domain::approval::Decision;
use synod_protocol::http::auth::WhoAmI;
use synod_protocol::http::client::Client;
use synod_protocol::http::run::Run;
pub use synod_trust::Sort;
use synod_trust::key::Purpose;
use synod_trust::order::{self, NotToSign, Shown, order};
use synod_trust::{Envelope, Key, Root, verify_one};

use super::API;
use super::trust::published;
use crate::exit::{Exit, Fault, Result};
use crate::output::note;
use crate::signer::{Places, Signer};
use crate::when;

/// Somebody with a key of theirs at hand.
#[derive(Debug)]
pub struct Pen {
    person: String,
    root: Root,
    signer: Signer,
}

impl Pen {
    /// Finds a key of the caller that the published root lists. `None` while no root is published.
    pub async fn find(client: &Client, key: Option<PathBuf>) -> Result<Option<Self>> {
        let path = format!("{API}/auth/whoami");
        let (root, me) = tokio::join!(published(client), client.get::<WhoAmI>(&path));
        let Some(root) = root? else { return Ok(None) };
        Self::of(root, &me?.user, &Places::of_user(key)).await.map(Some)
    }

    async fn of(root: Root, person: &str, places: &Places) -> Result<Self> {
        let keys = keys_of(&root, person)?;
        let signer = Signer::find(places, &keys, person).await?;
        Ok(Self { person: person.to_owned(), root, signer })
    }

    /// Says who signs with which key, before they are asked.
    pub fn tell(&self) {
        note(&format!("signing as {} with {}", self.person, self.signer.words()));
    }

    /// The root the keys are of.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Who signs.
    pub fn person(&self) -> &str {
        &self.person
    }

    /// Signs a decision on exactly the manifest that is shown, whatever the server says its digest is.
    pub async fn decide(&self, run: &Run, decision: Decision, comment: &str, sort: Sort) -> Result<Envelope> {
        self.decide_at(run, decision, comment, sort, when::now()).await
    }

    async fn decide_at(&self, run: &Run, decision: Decision, comment: &str, sort: Sort, now: Timestamp) -> Result<Envelope> {
        let shown = Shown { run: &run.summary.id, digest: &run.digest, manifest: &run.manifest };
        let statement = order(shown, sort, decision, &self.person, comment, now).map_err(|why| match why {
            NotToSign::Contradiction(what) => {
                Fault::new(Exit::Denied, format!("the server shows {what}; nothing was signed")).help("do not approve; tell whoever runs the server")
            }
            NotToSign::WrongSort(why) => Fault::new(Exit::Conflict, why),
            NotToSign::Unsealable(error) => Fault::new(Exit::Internal, error.to_string()),
        })?;
        let envelope = self.signer.sign(Purpose::Approval, statement.envelope()).await?;
        // As the server and every node will look at it.
        verify_one(&self.root, &envelope).map_err(|why| Fault::new(Exit::Denied, format!("the signature would not count: {why}")))?;
        Ok(envelope)
    }
}

/// The keys a person may sign with, in the order the root lists them.
fn keys_of(root: &Root, person: &str) -> Result<Vec<Key>> {
    order::keys_of(root, person).ok_or_else(|| {
        Fault::new(Exit::Denied, format!("the published trust root (version {}) does not name {person}, so your decision cannot count", root.version()))
            .help("have its holders add you: `synod trust propose --add-principal NAME=FILE`")
    })
}

/// The refusal when something must be signed and there is no root to sign by.
pub fn no_root() -> Fault {
    Fault::new(Exit::Conflict, "this takes a signature, and no trust root is published").help("publish one: `synod trust init`, `sign`, `publish`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::describe_run::tests::sample;
    use synod_trust::testing::{self, hour};

    async fn ann(folder: &std::path::Path) -> Pen {
        let file = folder.join("key");
        std::fs::write(&file, testing::signer("ann").private().to_openssh(ssh_key::LineEnding::LF).unwrap().as_bytes()).unwrap();
        let places = Places { file: Some(file), ..Places::default() };
        Pen::of(testing::root(&testing::root_json()), "ann", &places).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_signed_is_what_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let pen = ann(folder.path()).await;
        let (run, _) = sample();
        let envelope = pen.decide_at(&run, Decision::Approve, "fine", Sort::Ordinary, hour(2)).await.unwrap();
        let verified = verify_one(pen.root(), &envelope).unwrap();
        let statement = &verified.statement;
        assert_eq!((statement.run.as_str(), &statement.digest, statement.comment.as_str()), ("r1", &run.digest, "fine"));
        assert!(!statement.break_glass && !statement.ratifies);

        let mut other = run.clone();
        other.manifest.reason = "changed".into();
        assert_eq!(pen.decide(&other, Decision::Approve, "", Sort::Ordinary).await.unwrap_err().exit(), Exit::Denied);
        let mut other = run.clone();
        other.summary.id = "r2".into();
        assert_eq!(pen.decide(&other, Decision::Approve, "", Sort::Ordinary).await.unwrap_err().exit(), Exit::Denied);
        // What belongs to break-glass is never signed by mistake.
        assert_eq!(pen.decide(&run, Decision::Approve, "", Sort::BreakGlass).await.unwrap_err().exit(), Exit::Conflict);
        let mut open = run;
        open.manifest.break_glass = Some("night".into());
        open.digest = open.manifest.seal().unwrap().1;
        assert_eq!(pen.decide(&open, Decision::Approve, "", Sort::Ordinary).await.unwrap_err().exit(), Exit::Conflict);
        for (sort, flags) in [(Sort::BreakGlass, (true, false)), (Sort::Ratification, (false, true))] {
            let envelope = pen.decide(&open, Decision::Approve, "", sort).await.unwrap();
            let statement = verify_one(pen.root(), &envelope).unwrap().statement;
            assert_eq!((statement.break_glass, statement.ratifies), flags);
        }
    }

    #[test]
    fn only_keys_that_count_are_looked_for() {
        let root = testing::root(&testing::root_json());
        assert_eq!(keys_of(&root, "ann").unwrap().len(), 1);
        let fault = keys_of(&root, "zoe").unwrap_err();
        assert!(fault.exit() == Exit::Denied && format!("{fault:?}").contains("does not name zoe"));
    }
}
