//! Signing in: sessions, second factors, API keys.

use serde::{Deserialize, Serialize};
use synod_domain::Timestamp;
use synod_trust::webauthn::{Assertion, Passkeys};

/// `POST /api/v1/auth/login`
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginRequest {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
    /// Six digits of the second factor, when one is enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<String>,
    /// Whether to set a session cookie too (for browsers).
    #[serde(default)]
    pub cookie: bool,
}

/// A session that has begun or was renewed.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionToken {
    /// Fernet token, for `Authorization: Bearer …`.
    pub token: String,
    /// When it ends unless renewed.
    pub expires_at: Timestamp,
    /// For the `x-csrf-token` header of requests with the session cookie.
    pub csrf_token: String,
    /// Who is signed in.
    pub user: String,
    /// Whether a second factor is enrolled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub totp_enrolled: bool,
}

/// `GET /api/v1/auth/whoami`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoAmI {
    /// The user's name.
    pub user: String,
    /// Whether it is a service account.
    pub service_account: bool,
    /// Groups.
    pub groups: Vec<String>,
    /// Roles: `administrator everywhere`, `approver in shop`.
    pub roles: Vec<HeldRole>,
    /// Whether a second factor is enrolled.
    pub totp_enrolled: bool,
    /// Until when the fresh second factor of this session counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stepped_up_until: Option<Timestamp>,
    /// `session`, `cookie` or `api-key`.
    pub via: String,
    /// A name for people; empty when none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// How many passkeys are registered; one is a second factor as well.
    #[serde(default)]
    pub passkeys: u32,
    /// When the session ends unless renewed; absent for API keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_expires_at: Option<Timestamp>,
    /// For the `x-csrf-token` header; only for sessions with a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf_token: Option<String>,
}

/// `GET /api/v1/auth/methods`: what a page for signing in must know before anybody has signed in.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthMethods {
    /// Whether a first administrator exists.
    pub bootstrapped: bool,
    /// For which site passkeys count; absent where they are not possible: at an IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkeys: Option<Passkeys>,
    /// The program's version.
    pub version: String,
}

/// A role somebody holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldRole {
    /// The role.
    pub role: synod_domain::access::Role,
    /// Where; everywhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The binding that gives it.
    pub binding: String,
}

/// `POST /api/v1/auth/step-up`: exactly one of the two.
#[derive(Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepUpRequest {
    /// Six digits of the second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<String>,
    /// A passkey's answer to the challenge of `/auth/step-up/options`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<Assertion>,
}

/// Until when the session counts as freshly confirmed.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SteppedUp {
    /// The end of it.
    pub until: Timestamp,
}

/// `POST /api/v1/auth/totp`: a new second factor, not valid until confirmed.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TotpEnrolment {
    /// The secret in base32, for typing.
    pub secret: String,
    /// `otpauth://…` for authenticator programs.
    pub url: String,
    /// The same as a QR code, SVG.
    pub qr_svg: String,
}

/// `POST /api/v1/auth/totp/confirm`
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TotpConfirm {
    /// Six digits made from the new secret.
    pub totp: String,
}

/// `POST /api/v1/auth/password`
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordChange {
    /// The present password.
    pub current: String,
    /// The new one, at least 10 characters.
    pub new: String,
}

/// `POST /api/v1/api-keys`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewApiKey {
    /// What it is for.
    pub name: String,
    /// A service account to make it for; oneself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How long it lives; a year when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<synod_domain::Span>,
}

/// A key right after it was made: the only time the key itself is shown.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedApiKey {
    /// The key, for `Authorization: Bearer …`.
    pub key: String,
    /// What is known of it later.
    #[serde(flatten)]
    pub info: ApiKey,
}

/// What is known of an API key.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// A session, as its owner sees it.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// From where, as the client called itself.
    pub client: String,
    /// Whether it is the one that asks.
    pub current: bool,
}
