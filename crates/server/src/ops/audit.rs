//! The audit log: read, proved, and what its witnesses call out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use synod_db::audit as stored;
use synod_db::event::{self, Filter};
use synod_db::{Query, node};
use synod_domain::canonical::canonical;
use synod_domain::error::code;
use synod_domain::event::{Event, NewEvent, types};
use synod_domain::{Error, Result, Timestamp};
use synod_protocol::agent::Alarm;
use synod_protocol::http::audit::AuditProof;
use synod_trust::audit::Tile;

use crate::app::App;
use crate::audit;
use crate::authz::{Action, Resource};
use crate::ctx::Ctx;
use crate::untrusted::{bounded, bounded_json};

/// The newest signed head.
pub async fn checkpoint(app: &App) -> Result<String> {
    let head = stored::head(&mut app.db.reader().await?).await?;
    head.map(|head| head.note)
        .ok_or_else(|| Error::new(code::NOT_FOUND, "the audit log holds nothing yet; its first events come within moments"))
}

fn no_tile(path: &str) -> Error {
    Error::new(code::NOT_FOUND, format!("the audit log has no {path}; the size in /audit/checkpoint says which tiles there are"))
}

/// The tile a path names, as it stands behind `/audit/`.
pub fn read_path(path: &str) -> Result<Tile> {
    path.parse().map_err(|why: String| Error::new(code::NOT_FOUND, why))
}

/// The hashes of a tile.
pub async fn tile(app: &App, tile: Tile) -> Result<Vec<u8>> {
    let bytes = usize::from(tile.width) * 32;
    match audit::tile(&mut app.db.reader().await?, tile.level, tile.index).await? {
        // A wider one begins with the narrower one it took the place of.
        Some(mut hashes) if hashes.len() >= bytes => {
            hashes.truncate(bytes);
            Ok(hashes)
        }
        _ => Err(no_tile(&tile.to_string())),
    }
}

/// The canonical bytes of the events of a tile of level 0, each after its length (two bytes, big-endian); none of an event that
/// is not kept any more.
pub async fn entries(ctx: &Ctx, tile: Tile) -> Result<Vec<u8>> {
    ctx.require(Action::AuditRead, &Resource::system())?;
    let mut reader = ctx.app.db.reader().await?;
    let size = stored::head(&mut reader).await?.map_or(0, |head| head.size);
    let (first, width) = (tile.index.checked_mul(256).filter(|first| *first < size), u64::from(tile.width));
    let first = first.filter(|first| size - first >= width).ok_or_else(|| no_tile(&tile.entries_path()))?;
    let kept: HashMap<u64, Event> = range(&mut reader, first, u32::from(tile.width)).await?.into_iter().map(|event| (event.position, event)).collect();
    let mut bytes = Vec::new();
    for position in first + 1..=first + width {
        // Of an event that is gone the log has the hash still. An empty entry says so, and whoever reads the log tells it.
        let text = kept.get(&position).map(canonical).transpose()?.unwrap_or_default();
        if text.is_empty() {
            tracing::warn!(position, "an event is in the audit log, but not in the database any more");
        }
        let length = u16::try_from(text.len()).map_err(|_| Error::internal(format!("event {position} is longer than an entry of the audit log can be")))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(text);
    }
    Ok(bytes)
}

async fn range(db: &mut impl Query, after: u64, limit: u32) -> Result<Vec<Event>> {
    event::list(db, &Filter { after: Some(after), global: true, limit, ..Filter::default() }).await
}

/// Proves that an event is in the log, to those who may see the event.
pub async fn proof(ctx: &Ctx, position: &str) -> Result<AuditProof> {
    let unknown = || Error::not_found("event", position);
    let number: u64 = position.parse().ok().filter(|n| (1..i64::MAX as u64).contains(n)).ok_or_else(unknown)?;
    let mut reader = ctx.app.db.reader().await?;
    let Some(event) = range(&mut reader, number - 1, 1).await?.into_iter().find(|event| event.position == number) else {
        // Whose event it was is gone with it, so only those who may see all are told.
        if ctx.require(Action::AuditRead, &Resource::system()).is_err() {
            return Err(unknown());
        }
        if stored::head(&mut reader).await?.is_some_and(|head| head.size >= number) {
            let why = format!("event {number} is in the audit log, but only its hash is kept: the event itself was taken out of the database");
            return Err(Error::new(code::NOT_FOUND, why));
        }
        let recorded = event::last_position(&mut reader).await? >= number;
        return Err(if recorded { audit::gap(&mut reader).await?.unwrap_or_else(unknown) } else { unknown() });
    };
    match &event.namespace {
        Some(namespace) => ctx.require(Action::EventRead, &Resource::namespace(namespace))?,
        None => ctx.require(Action::EventReadAll, &Resource::system())?,
    }
    let Some(head) = stored::head(&mut reader).await?.filter(|head| head.size >= number) else {
        return Err(audit::behind(&mut reader, format!("event {number} is recorded, but not in the audit log yet")).await);
    };
    let index = number - 1;
    let path = audit::inclusions(&mut reader, &[index], head.size).await?.into_iter().next().unwrap_or_default();
    Ok(AuditProof { event, index, proof: path.iter().map(|hash| STANDARD.encode(hash)).collect(), checkpoint: head.note })
}

/// The same alarm of the same node is recorded at most once in this time.
const ALARM_EVERY_MS: i64 = 60_000;
/// So many different alarms of one node are recorded in that time.
const ALARMS: usize = 30;
/// The most evidence an alarm brings, in bytes as JSON.
const MAX_EVIDENCE: usize = 16 * 1024;

/// When which alarm was recorded last: by node; then by subject, name and task.
#[derive(Default)]
pub struct Alarms(Mutex<HashMap<String, HashMap<[String; 3], Timestamp>>>);

impl Alarms {
    /// Whether an alarm is to be recorded; it then counts as recorded.
    fn take(&self, node: &str, alarm: [String; 3], now: Timestamp) -> bool {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = nodes.entry(node.to_owned()).or_default();
        recent.retain(|_, at| (0..ALARM_EVERY_MS).contains(&now.since(*at)));
        if recent.contains_key(&alarm) || recent.len() >= ALARMS {
            return false;
        }
        recent.insert(alarm, now);
        true
    }

    fn forget(&self, node: &str, alarm: &[String; 3]) {
        if let Some(recent) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(node) {
            recent.remove(alarm);
        }
    }
}

/// Records what a node calls out. Nothing it says is believed: it is shown to people as what the node said.
pub async fn alarm(app: &App, id: &str, node: &str, said: &Alarm) -> Result<()> {
    let now = app.clock.now();
    if !["trust", "root", "log"].contains(&said.about.as_str()) {
        tracing::warn!(node, about = bounded(&said.about, 100), "an alarm about nothing known is passed over");
        return Ok(());
    }
    let key = [said.about.clone(), bounded(&said.name, 100), bounded(&said.task, 100)];
    if !app.alarms.take(id, key.clone(), now) {
        return remember(app, id, said).await;
    }
    let written = write(app, id, node, said, now).await;
    if written.is_err() {
        app.alarms.forget(id, &key);
    }
    written
}

fn words(said: &Alarm) -> String {
    format!("{}: {}: {}", said.about, bounded(&said.name, 100), bounded(&said.message, 2000))
}

/// Sees to it that a node's page shows its alarm, such as after its agent came back and was taken for healthy.
async fn remember(app: &App, id: &str, said: &Alarm) -> Result<()> {
    let words = words(said);
    let known = node::by_id(&mut app.db.reader().await?, id).await?;
    if said.about == "trust" || known.is_none_or(|known| known.trust_alarm == words) {
        return Ok(());
    }
    let mut tx = app.db.begin().await?;
    node::set_alarm(&mut tx, id, &words).await?;
    tx.commit().await
}

async fn write(app: &App, id: &str, node: &str, said: &Alarm, now: Timestamp) -> Result<()> {
    let (name, message, task) = (bounded(&said.name, 100), bounded(&said.message, 2000), bounded(&said.task, 100));
    tracing::warn!(node, about = said.about, name, message, task, "a node raised an alarm");
    let mut data = json!({"about": said.about, "name": name, "message": message, "task": task});
    if !said.evidence.is_empty() {
        data["evidence"] = bounded_json(&said.evidence, MAX_EVIDENCE).into();
    }
    let mut tx = app.db.begin().await?;
    if said.about != "trust" {
        node::set_alarm(&mut tx, id, &words(said)).await?;
    }
    let subject = format!("node/{node}");
    let raised = NewEvent { kind: types::NODE_ALARM, subject, namespace: None, run: None, actor: format!("node:{node}"), data };
    event::append(&mut tx, &[raised], now).await?;
    tx.commit().await?;
    app.ring_events();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_bounded() {
        let alarms = Alarms::default();
        let about = |name: &str| ["log".to_owned(), name.to_owned(), String::new()];
        assert!(alarms.take("n", about("fork"), Timestamp(0)));
        assert!(!alarms.take("n", about("fork"), Timestamp(59_999)), "said already");
        assert!(alarms.take("m", about("fork"), Timestamp(59_999)), "another node");
        assert!(alarms.take("n", about("fork"), Timestamp(60_000)));
        alarms.forget("n", &about("fork"));
        assert!(alarms.take("n", about("fork"), Timestamp(60_001)), "it was not recorded after all");
        let taken = (0..100).filter(|n| alarms.take("n", about(&n.to_string()), Timestamp(60_002))).count();
        assert_eq!(taken, ALARMS - 1);
    }

    #[test]
    fn paths_have_one_spelling() {
        assert_eq!(read_path("tile/0/x001/234.p/5").unwrap().index, 1234);
        for odd in ["tile/0/1", "tile/0/000.p/256", "tile/0/000.p/0", "tile/00/000", "tile/8/000", "tile/0/x000/001", "tile/0/000/", "tile/entries/000"] {
            assert_eq!(read_path(odd).unwrap_err().code(), code::NOT_FOUND, "{odd}");
        }
    }
}
