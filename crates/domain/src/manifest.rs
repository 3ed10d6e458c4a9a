//! The manifest: the canonical document of exactly what a run will do. Its SHA-256 is what people approve.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::canonical;
use crate::error::Result;
use crate::merkle::{Hash, Tree, leaf_hash};
use crate::span::Span;
use crate::strategy::Strategy;
use crate::template::{ApprovalPolicy, Step};
use crate::time::Timestamp;

/// The version of the manifest's form.
pub const API_VERSION: &str = "synod/v1";
/// The kind of the document.
pub const KIND: &str = "Manifest";

/// Exactly what a run will do. Any change changes the digest and so voids the approvals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Always `synod/v1`.
    pub api_version: String,
    /// Always `Manifest`.
    pub kind: String,
    /// The run.
    pub run: String,
    /// The namespace the run belongs to.
    pub namespace: String,
    /// The template revision.
    pub template: TemplateRef,
    /// Who asks.
    pub requester: String,
    /// Why.
    pub reason: String,
    /// The inputs, defaults filled in, without the secret ones.
    #[schema(value_type = Object)]
    pub inputs: Map<String, Value>,
    /// For each secret input the commitment to its value: `sha256:` over salt and value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// The nodes, by count and Merkle root over their entries in order.
    pub nodes: NodeSet,
    /// How it spreads over them.
    pub strategy: Strategy,
    /// Who must agree.
    pub approval: ApprovalPolicy,
    /// What is done.
    pub steps: Vec<Step>,
    /// How long one node may take.
    pub timeout: Span,
    /// How long a node may take to begin.
    pub start_deadline: Span,
    /// The account the steps run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
    /// When it was requested.
    pub created_at: Timestamp,
    /// Nothing starts before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Nobody may decide after.
    pub approve_by: Timestamp,
    /// No task starts after.
    pub expires_at: Timestamp,
    /// The break-glass rule of the trust root it is started by, without waiting for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<String>,
    /// Makes every request a document of its own.
    pub nonce: String,
}

/// The template revision a run was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TemplateRef {
    /// Its name.
    pub name: String,
    /// Its revision.
    pub revision: u64,
    /// SHA-256 of its canonical spec.
    pub digest: String,
    /// Who wrote the revision.
    pub author: String,
}

/// A commitment to an ordered list of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSet {
    /// How many.
    pub count: u32,
    /// Lower-case hexadecimal Merkle root (RFC 6962) over [`NodeEntry`] leaves.
    pub root: String,
}

/// One node as the manifest commits to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeEntry {
    /// The node's identity, as in its certificate.
    pub id: String,
    /// The name people know it by.
    pub name: String,
}

impl NodeEntry {
    /// The leaf's data: the entry in canonical form.
    pub fn leaf(&self) -> Result<Vec<u8>> {
        canonical::canonical(self)
    }
}

/// Builds the tree over nodes in their rollout order.
pub fn node_tree(nodes: &[NodeEntry]) -> Result<Tree> {
    let leaves = nodes.iter().map(|node| Ok(leaf_hash(&node.leaf()?))).collect::<Result<Vec<Hash>>>()?;
    Ok(Tree::new(leaves))
}

impl NodeSet {
    /// Commits to nodes in their rollout order.
    pub fn of(nodes: &[NodeEntry]) -> Result<Self> {
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        Ok(Self { count, root: hex::encode(node_tree(nodes)?.root()) })
    }
}

impl Manifest {
    /// The canonical bytes and their digest.
    pub fn seal(&self) -> Result<(Vec<u8>, String)> {
        let bytes = canonical::canonical(self)?;
        let digest = canonical::digest(&bytes);
        Ok((bytes, digest))
    }
}

/// The commitment to a secret input. The salt keeps short secrets from being guessed.
pub fn secret_commitment(salt: &[u8], value: &str) -> String {
    let mut bytes = salt.to_vec();
    bytes.extend_from_slice(value.as_bytes());
    canonical::digest(&bytes)
}

/// A secret input as it is sealed to a node.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedSecret {
    /// Random bytes in hexadecimal.
    pub salt: String,
    /// The value.
    pub value: String,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    pub(crate) fn sample(nodes: &[NodeEntry]) -> Manifest {
        serde_json::from_value(json!({
            "apiVersion": "synod/v1", "kind": "Manifest", "run": "r1", "namespace": "shop",
            "template": {"name": "restart", "revision": 3, "digest": "sha256:00", "author": "alice"},
            "requester": "dave", "reason": "stuck", "inputs": {"service": "web"},
            "nodes": NodeSet::of(nodes).unwrap(),
            "strategy": {"type": "allAtOnce"}, "approval": {"rules": [{"count": 2, "from": {"role": "approver"}}]},
            "steps": [{"name": "go", "run": "true"}], "timeout": "1m", "startDeadline": "2m",
            "createdAt": "2026-01-01T00:00:00Z", "approveBy": "2026-01-02T00:00:00Z", "expiresAt": "2026-01-03T00:00:00Z",
            "nonce": "n"
        }))
        .unwrap()
    }

    pub(crate) fn nodes(n: usize) -> Vec<NodeEntry> {
        (0..n).map(|i| NodeEntry { id: format!("id-{i}"), name: format!("web-{i}") }).collect()
    }

    #[test]
    fn the_digest_is_stable_and_readable_back() {
        let manifest = sample(&nodes(3));
        let (bytes, digest) = manifest.seal().unwrap();
        let back: Manifest = canonical::read(&bytes).unwrap();
        assert_eq!(back, manifest);
        assert_eq!(back.seal().unwrap().1, digest);
    }

    proptest! {
        /// Whatever value of the document is changed, the digest changes.
        #[test]
        fn any_change_changes_the_digest(pick in 0usize..1000) {
            let manifest = sample(&nodes(3));
            let (_, digest) = manifest.seal().unwrap();
            let mut value = serde_json::to_value(&manifest).unwrap();
            let mut pointers = Vec::new();
            leaves(&value, String::new(), &mut pointers);
            let pointer = &pointers[pick % pointers.len()];
            let at = value.pointer_mut(pointer).unwrap();
            *at = match at { Value::String(s) => json!(format!("{s}x")), Value::Number(n) => json!(n.as_u64().unwrap() + 1), Value::Bool(b) => json!(!*b), _ => json!("x") };
            let changed = canonical::digest(&canonical::canonical(&value).unwrap());
            prop_assert_ne!(changed, digest);
        }
    }

    fn leaves(value: &Value, pointer: String, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(k, v)| leaves(v, format!("{pointer}{}", crate::problem::segment(k)), found)),
            Value::Array(items) => items.iter().enumerate().for_each(|(n, v)| leaves(v, format!("{pointer}/{n}"), found)),
            _ => found.push(pointer),
        }
    }
}
