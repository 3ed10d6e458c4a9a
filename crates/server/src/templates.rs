//! Templates in use, read and compiled once. A revision never changes, so what is kept here is never stale.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use synod_db::object::Stored;
use synod_domain::inputs::Schema;
use synod_domain::object::{Kind, Spec, typed};
use synod_domain::template::TemplateSpec;
use synod_domain::{Error, Result};

/// So many are kept; then they are forgotten all together.
const KEPT: usize = 256;

/// A template revision, ready to be requested.
pub struct Prepared {
    /// What it says.
    pub spec: TemplateSpec,
    /// The schema of its inputs.
    pub inputs: Schema,
}

/// Templates by the digest of their spec.
#[derive(Default)]
pub struct Templates(Mutex<HashMap<String, Arc<Prepared>>>);

impl Templates {
    /// A stored revision, ready to be requested.
    pub fn of(&self, stored: &Stored) -> Result<Arc<Prepared>> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&stored.digest) {
            return Ok(known.clone());
        }
        let Ok((Spec::Template(spec), _)) = typed(Kind::Template, stored.spec.clone()) else {
            return Err(Error::internal(format!("the stored template {} cannot be read", stored.name)));
        };
        let unsound = |problems: Vec<synod_domain::Problem>| Error::internal(format!("template {}: {problems:?}", stored.name));
        let inputs = Schema::new(spec.inputs.clone()).map_err(unsound)?;
        let prepared = Arc::new(Prepared { spec: *spec, inputs });
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(stored.digest.clone(), prepared.clone());
        Ok(prepared)
    }
}
