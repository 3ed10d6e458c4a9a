//! Events: what happened, as CloudEvents 1.0 records.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Timestamp;

/// An event before it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// What sort, such as `synod.run.approved`; one of [`types`].
    pub kind: &'static str,
    /// What it is about, such as `run/0k3…`, `template/restart-service`.
    pub subject: String,
    /// The namespace it belongs to, when it belongs to one.
    pub namespace: Option<String>,
    /// The run it belongs to, when it belongs to one.
    pub run: Option<String>,
    /// Who caused it: `user:NAME`, `node:NAME` or `system`.
    pub actor: String,
    /// The rest. Never holds a secret.
    pub data: Value,
}

/// The types of events there are.
pub mod types {
    macro_rules! types {
        ($($name:ident = $value:literal;)*) => {
            $(#[allow(missing_docs)] pub const $name: &str = $value;)*
            /// Every type.
            pub const ALL: &[&str] = &[$($value),*];
        };
    }
    types! {
        RUN_REQUESTED = "synod.run.requested";
        RUN_APPROVED = "synod.run.approved";
        RUN_REJECTED = "synod.run.rejected";
        RUN_EXPIRED = "synod.run.expired";
        RUN_STARTED = "synod.run.started";
        RUN_BATCH = "synod.run.batch_started";
        RUN_AT_GATE = "synod.run.at_gate";
        RUN_PROCEEDED = "synod.run.proceeded";
        RUN_STOPPED = "synod.run.rollout_stopped";
        RUN_CANCEL_REQUESTED = "synod.run.cancel_requested";
        RUN_SUCCEEDED = "synod.run.succeeded";
        RUN_FAILED = "synod.run.failed";
        RUN_CANCELLED = "synod.run.cancelled";
        RUN_BREAK_GLASS = "synod.run.break_glass";
        RUN_RATIFIED = "synod.run.ratified";
        RUN_INCIDENT = "synod.run.incident_recorded";
        RATIFICATION_GIVEN = "synod.approval.ratification_given";
        TRUST_ROOT_PUBLISHED = "synod.trust.root_published";
        APPROVAL_GIVEN = "synod.approval.given";
        TASK_STARTED = "synod.task.started";
        TASK_ENDED = "synod.task.ended";
        TASK_REFUSED = "synod.task.refused";
        TASK_LATE = "synod.task.late_result";
        TASK_CONTRADICTED = "synod.task.contradicted";
        OBJECT_APPLIED = "synod.object.applied";
        OBJECT_DELETED = "synod.object.deleted";
        NODE_JOINED = "synod.node.joined";
        NODE_CONNECTED = "synod.node.connected";
        NODE_DISCONNECTED = "synod.node.disconnected";
        NODE_CHANGED = "synod.node.changed";
        NODE_REMOVED = "synod.node.removed";
        NODE_RENEWED = "synod.node.certificate_renewed";
        NODE_ALARM = "synod.node.alarm";
        USER_CREATED = "synod.user.created";
        USER_CHANGED = "synod.user.changed";
        SESSION_STARTED = "synod.session.started";
        SESSION_FAILED = "synod.session.failed";
        SESSION_ENDED = "synod.session.ended";
        STEPPED_UP = "synod.session.stepped_up";
        STEP_UP_FAILED = "synod.session.step_up_failed";
        TOTP_ENROLLED = "synod.user.totp_enrolled";
        KEY_ADDED = "synod.user.key.added";
        KEY_REMOVED = "synod.user.key.removed";
        KEY_SUSPECT = "synod.user.key.suspect";
        API_KEY_CREATED = "synod.api_key.created";
        API_KEY_REVOKED = "synod.api_key.revoked";
        JOIN_TOKEN_CREATED = "synod.join_token.created";
        JOIN_TOKEN_REVOKED = "synod.join_token.revoked";
        BACKUP_TAKEN = "synod.backup.taken";
        BACKUP_RESTORED = "synod.backup.restored";
        SERVER_JOINED = "synod.server.joined";
        BOOTSTRAPPED = "synod.server.bootstrapped";
    }
}

/// A recorded event (CloudEvents 1.0, JSON format; `namespace`, `run`, `actor` and `position` are extensions).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique.
    pub id: String,
    /// Always `synod`.
    pub source: String,
    /// What sort.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// When it was recorded.
    pub time: Timestamp,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// The namespace it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The run it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Who caused it.
    pub actor: String,
    /// Its gap-free place in the log, from 1.
    pub position: u64,
    /// The rest.
    #[schema(value_type = Object)]
    pub data: Value,
}

impl Event {
    /// An event that says nothing yet.
    pub fn empty(position: u64, time: Timestamp) -> Self {
        Self {
            specversion: "1.0".into(),
            id: position.to_string(),
            source: "synod".into(),
            kind: String::new(),
            subject: String::new(),
            time,
            datacontenttype: "application/json".into(),
            namespace: None,
            run: None,
            actor: String::new(),
            position,
            data: Value::Null,
        }
    }
}

/// Whether an event type fits a pattern: exact, or with `*` for any rest (`synod.run.*`).
pub fn type_matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_prefixes() {
        assert!(type_matches("synod.run.*", types::RUN_APPROVED));
        assert!(!type_matches("synod.run.*", types::TASK_ENDED));
        assert!(type_matches("*", types::TASK_ENDED));
        assert!(type_matches(types::TASK_ENDED, types::TASK_ENDED));
    }

    #[test]
    fn types_are_unique() {
        let distinct: std::collections::BTreeSet<_> = types::ALL.iter().collect();
        assert_eq!(distinct.len(), types::ALL.len());
    }
}
