//! Trust: the roots people signed, what is odd about them, and how nodes judge by them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_domain::Timestamp;
use synod_domain::approval::Decision;
use synod_trust::Envelope;

/// `GET /api/v1/trust`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trust {
    /// The newest root; absent while none is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<TrustRoot>,
    /// How the nodes judge.
    pub nodes: TrustedNodes,
    /// The verifier key of the audit log, in the form of signed notes.
    pub log_key: String,
    /// What the key id of the log's origin is about: its name.
    pub log_origin: String,
    /// Runs started by break-glass that nobody has ratified yet.
    pub unratified: u32,
}

/// A published root.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustRoot {
    /// Its version, from 1.
    pub version: u64,
    /// `sha256:…` of the signed bytes; what agents pin.
    pub digest: String,
    /// When nothing is judged by it any more.
    pub expires_at: Timestamp,
    /// When it was published here.
    pub published_at: Timestamp,
    /// By whom.
    pub published_by: String,
    /// Who signed it.
    pub signed_by: Vec<String>,
    /// The document.
    #[schema(value_type = Object)]
    pub document: Value,
    /// The document as it was signed.
    pub envelope: Envelope,
}

/// How many nodes judge agreements in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedNodes {
    /// They judge by signatures and refuse what does not suffice.
    pub enforcing: u32,
    /// They judge by signatures and only report.
    pub observing: u32,
    /// They believe the server.
    pub off: u32,
    /// Of those that judge: so many have not accepted the newest root yet.
    pub behind: u32,
    /// So many have raised an alarm about the audit log.
    pub alarmed: u32,
}

/// `POST /api/v1/trust/roots`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishRoot {
    /// The signed root.
    pub envelope: Envelope,
}

/// `POST /api/v1/trust/check`: a draft to look over before anybody signs it.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckRoot {
    /// The document; the published root is looked over when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub document: Option<Value>,
}

/// What was found when a root was looked over.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootCheck {
    /// The worst first.
    pub findings: Vec<RootFinding>,
    /// What changes against the published root, a line each; empty when none is published.
    pub changes: Vec<String>,
}

/// One thing that is odd about a root.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootFinding {
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// The stable name of what it is.
    pub name: String,
    /// What it is about: `rule shop`, `template shop/restart`, `root`.
    pub about: String,
    /// What is odd and what would help.
    pub message: String,
}

/// Filters of `GET /api/v1/trust/roots`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RootQuery {
    /// Only versions above this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// `GET /api/v1/trust/roots`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Roots {
    /// The roots, oldest first, without gaps.
    pub roots: Vec<TrustRoot>,
}

/// What signatures a run takes under the published root, and which it has.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signing {
    /// The version of the root.
    pub root_version: u64,
    /// Its digest.
    pub root_digest: String,
    /// Each rule that must be met by signatures: those of the root, and the template's own by who the root says people are.
    pub rules: Vec<RootRuleStatus>,
    /// Names of nodes no rule is about; those that enforce will refuse. The first few.
    pub uncovered: Vec<String>,
}

/// One rule of the root and how it stands.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootRuleStatus {
    /// The rule's name in the root, or `the template's own rules`.
    pub name: String,
    /// What it asks for, in words: `2 with role approver`.
    pub rule: String,
    /// Who fills it with a signature that counts.
    pub filled_by: Vec<String>,
    /// How many are missing.
    pub missing: u32,
}

/// Filters of `GET /api/v1/runs/{id}/bundle`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BundleQuery {
    /// Trust roots from the one with this digest on; from the first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
}

/// `POST /api/v1/runs/{id}/ratify`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RatifyRequest {
    /// The signed decision, with `ratifies`.
    pub signature: Envelope,
}

/// `POST /api/v1/runs/{id}/incident`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncidentRequest {
    /// Where the incident is kept: a ticket, an address.
    pub reference: String,
    /// What happened.
    #[serde(default)]
    pub comment: String,
}

/// `GET /api/v1/trust/outlook`: what the published root can bear to lose.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// The root itself first, then its rules.
    pub rules: Vec<RuleOutlook>,
    /// The people of the root.
    pub people: Vec<PersonOutlook>,
}

/// One rule and who can fill it.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleOutlook {
    /// The rule's name; `root` for the signing of later roots.
    pub name: String,
    /// What it is about: `shop/* on web-*`, `later trust roots`.
    pub about: String,
    /// What it asks for, in words.
    pub needs: Vec<String>,
    /// Who can fill any of it.
    pub holders: Vec<String>,
    /// So many of them may be gone, whoever they are, and it can still be met; negative when it cannot be met now.
    pub spare: i64,
}

/// One person of the root.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonOutlook {
    /// The name.
    pub name: String,
    /// Their keys that count.
    pub keys: Vec<PersonKey>,
    /// What would be wrong without them that is not wrong now.
    pub if_gone: Vec<RootFinding>,
}

/// A key of a person of the root.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PersonKey {
    /// Its id.
    pub id: String,
    /// `passkey`, or the SSH algorithm such as `ssh-ed25519`.
    pub kind: String,
}

/// `POST /api/v1/runs/{id}/signing`: what to sign for a decision.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SigningRequest {
    /// Approve or reject.
    pub decision: Decision,
    /// Words for the record; they are signed too.
    #[serde(default)]
    pub comment: String,
    /// Whether it is an approval after the fact.
    #[serde(default)]
    pub ratifies: bool,
}

/// A statement to sign, and with what.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningOrder {
    /// The envelope's `payloadType`.
    pub payload_type: String,
    /// The envelope's `payload`: the canonical statement in base64.
    pub payload: String,
    /// The challenge for a passkey, base64url: SHA-256 of the envelope's pre-authentication encoding.
    pub challenge: String,
    /// When the decision is taken no more.
    pub not_after: Timestamp,
    /// For which site passkeys count by the newest root; absent when none do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rp_id: Option<String>,
    /// The caller's passkeys in the newest root.
    pub credentials: Vec<SigningCredential>,
    /// Whether the decision must be signed; where it need not be, it must not.
    pub needed: bool,
}

/// A passkey that counts.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningCredential {
    /// The envelope's `keyid`.
    pub key_id: String,
    /// The authenticator's name for it, base64url.
    pub credential_id: String,
}
