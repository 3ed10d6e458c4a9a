//! The node vouches for its results with the key of its certificate.

use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use synod_domain::canonical::canonical;
use synod_domain::manifest::NodeEntry;
use synod_protocol::agent::split_task;
use synod_trust::Envelope;
use synod_trust::envelope::pae;
use synod_trust::result::{API_VERSION, KIND, PAYLOAD_TYPE, ResultStatement, key_id};

use crate::error::{Error, Result};
use crate::journal::Ended;

/// The node's private key, ready to sign.
pub(crate) struct NodeKey {
    pair: KeyPair,
    id: String,
    node: NodeEntry,
}

impl NodeKey {
    pub(crate) fn new(key_pem: &str, node: NodeEntry) -> Result<Self> {
        let pair = KeyPair::from_pem(key_pem).map_err(|e| Error::Crypto(format!("the node's key cannot sign: {e}")))?;
        let id = key_id(&pair.subject_public_key_info());
        Ok(Self { pair, id, node })
    }

    /// The signed result of a task that ended, as JSON of an envelope.
    pub(crate) fn sign(&self, digest: &str, ended: &Ended) -> Option<String> {
        let (run, task) = split_task(&ended.task)?;
        let outcome = &ended.outcome;
        let statement = ResultStatement {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            run: run.to_owned(),
            digest: digest.to_owned(),
            task,
            node: self.node.clone(),
            phase: outcome.phase,
            exit_code: outcome.exit_code,
            output_digest: outcome.output_digest.clone(),
            started_at: outcome.started_at,
            finished_at: outcome.finished_at,
        };
        let payload = canonical(&statement).ok()?;
        match self.pair.sign(&pae(PAYLOAD_TYPE, &payload)) {
            Ok(signature) => String::from_utf8(Envelope::new(PAYLOAD_TYPE, &payload).with(&self.id, &signature).to_bytes()).ok(),
            Err(error) => {
                tracing::error!(task = ended.task, %error, "a result could not be signed");
                None
            }
        }
    }
}
