//! The manifests of recent runs, read once. A manifest never changes, so what is kept here is never stale.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use synod_db::run::Run;
use synod_domain::manifest::{Manifest, NodeEntry, node_tree};
use synod_domain::merkle::Tree;
use synod_domain::{Error, Result};
use synod_protocol::http::run::StepPreview;

use crate::ops::run_view::preview;
use crate::signing::Cover;

/// About so much memory is spent, in bytes.
const MEMORY: usize = 32 << 20;
/// What a node costs in a tree over all of them.
const PER_NODE: usize = 2 * 32;

/// The manifest of a run.
pub struct Document {
    /// Read.
    pub manifest: Manifest,
    /// As it was sealed.
    pub bytes: Bytes,
    /// Its digest.
    pub digest: String,
    tree: OnceLock<Tree>,
    preview: OnceLock<Vec<StepPreview>>,
    cover: Mutex<Option<(u64, Option<Arc<Cover>>)>>,
}

impl Document {
    /// The tree over its nodes, when they were told.
    pub fn tree(&self) -> Option<&Tree> {
        self.tree.get()
    }

    /// Tells its nodes in rollout order.
    pub fn set_nodes(&self, nodes: &[NodeEntry]) -> Result<&Tree> {
        if self.tree.get().is_none() {
            let _ = self.tree.set(node_tree(nodes)?);
        }
        self.tree.get().ok_or_else(|| Error::internal("a tree that was set is not there"))
    }

    /// Its steps with the inputs filled in, as far as they are known before the nodes run them.
    pub fn preview(&self) -> &[StepPreview] {
        self.preview.get_or_init(|| preview(&self.manifest))
    }

    /// What a version of the trust root asks of it, when that was looked up.
    pub fn cover(&self, version: u64) -> Option<Option<Arc<Cover>>> {
        let known = self.cover.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|(of, _)| *of == version).map(|(_, cover)| cover.clone())
    }

    /// Keeps what a version of the trust root asks of it.
    pub fn set_cover(&self, version: u64, cover: Option<Arc<Cover>>) {
        *self.cover.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, cover));
    }

    fn weight(&self) -> usize {
        // Parsed, a manifest takes a few times its length.
        4 * self.bytes.len() + PER_NODE * self.manifest.nodes.count as usize
    }
}

/// Recent manifests by run.
#[derive(Default)]
pub struct Manifests(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_run: BTreeMap<String, Arc<Document>>,
    weight: usize,
}

impl Manifests {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The manifest of a run, when it is at hand.
    pub fn known(&self, run: &str) -> Option<Arc<Document>> {
        self.lock().by_run.get(run).cloned()
    }

    /// The manifest of a run as it is stored now: were it changed behind our back, its nodes are to see that.
    pub fn of(&self, run: &Run) -> Result<Arc<Document>> {
        if let Some(known) = self.known(&run.id).filter(|known| known.bytes == run.manifest && known.digest == run.digest) {
            return Ok(known);
        }
        let bytes = Bytes::from(run.manifest.clone());
        let manifest = serde_json::from_slice(&bytes).map_err(Error::internal)?;
        let document =
            Arc::new(Document { manifest, bytes, digest: run.digest.clone(), tree: OnceLock::new(), preview: OnceLock::new(), cover: Mutex::default() });
        let mut kept = self.lock();
        kept.weight += document.weight();
        if let Some(before) = kept.by_run.insert(run.id.clone(), document.clone()) {
            kept.weight -= before.weight();
        }
        // Ids begin with the time: the oldest goes first.
        while kept.weight > MEMORY
            && let Some((_, oldest)) = kept.by_run.pop_first()
        {
            kept.weight -= oldest.weight();
        }
        Ok(document)
    }
}
