//! Keys of accounts: passkeys to sign in and sign with, SSH keys to sign with.

use serde::{Deserialize, Serialize};
use synod_domain::Timestamp;
use synod_trust::KeySpec;
use synod_trust::webauthn::Assertion;

/// `POST /api/v1/auth/passkeys/options`: what the browser needs to make a passkey. User verification is required, the key
/// is to be discoverable, and no attestation is asked for.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyOptions {
    /// 32 bytes in base64url; good for five minutes, once.
    pub challenge: String,
    /// The site.
    pub rp: RelyingParty,
    /// The account.
    pub user: PasskeyUser,
    /// COSE numbers of the algorithms taken, the preferred first.
    pub algorithms: Vec<i32>,
    /// Credential ids, in base64url, of the passkeys the account has already.
    pub exclude: Vec<String>,
}

/// The site a passkey is for.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RelyingParty {
    /// Its domain.
    pub id: String,
    /// What authenticators call it.
    pub name: String,
}

/// The account a passkey is for.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyUser {
    /// The user handle, base64url: it tells nothing about the account.
    pub id: String,
    /// The user's name.
    pub name: String,
    /// A name for people.
    pub display_name: String,
}

/// `POST /api/v1/auth/passkeys`: what `navigator.credentials.create` returned, in base64url.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPasskey {
    /// What the owner calls it.
    pub name: String,
    /// `rawId`.
    pub credential_id: String,
    /// `response.getAuthenticatorData()`.
    pub authenticator_data: String,
    /// `response.clientDataJSON`.
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// `response.getTransports()`.
    #[serde(default)]
    pub transports: Vec<String>,
}

/// A registered passkey.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Passkey {
    /// Its id here.
    pub id: String,
    /// What the owner calls it.
    pub name: String,
    /// The authenticator's name for it, base64url.
    pub credential_id: String,
    /// The COSE_Key, base64url.
    pub public_key: String,
    /// The key's id in trust roots: `passkey:…`.
    pub key_id: String,
    /// How the authenticator is reached.
    pub transports: Vec<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last signed in or confirmed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// `POST /api/v1/auth/passkey-login/options`
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasskeyLoginOptions {
    /// Who means to sign in. The answer is the same for everybody: it does not tell who exists or has passkeys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// What the browser needs to have a passkey answer. User verification is required.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyChallenge {
    /// 32 bytes in base64url; good for five minutes, once.
    pub challenge: String,
    /// The site's domain.
    pub rp_id: String,
    /// Credential ids, base64url, of those that may answer; empty when any may.
    pub allow: Vec<String>,
}

/// `POST /api/v1/auth/passkey-login`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasskeyLogin {
    /// The passkey's answer.
    pub assertion: Assertion,
    /// Whether to set a session cookie (for browsers).
    #[serde(default)]
    pub cookie: bool,
}

/// `POST /api/v1/auth/ssh-keys`
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSshKey {
    /// What the owner calls it.
    pub name: String,
    /// One line of an OpenSSH `.pub` file.
    pub public_key: String,
}

/// A registered SSH public key.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SshKey {
    /// Its id here.
    pub id: String,
    /// What the owner calls it.
    pub name: String,
    /// The line.
    pub public_key: String,
    /// Its id in trust roots: `SHA256:…`, as `ssh-keygen -l` prints it.
    pub key_id: String,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// `GET /api/v1/users/{name}/keys`: what an account says its keys are, for those who draft a trust root. A server could
/// say anything here: compare the ids with the person.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserKeys {
    /// The keys, oldest first.
    pub keys: Vec<UserKey>,
}

/// One key of an account.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserKey {
    /// `passkey` or `ssh`.
    pub kind: String,
    /// What the owner calls it.
    pub name: String,
    /// Its id in trust roots.
    pub key_id: String,
    /// As trust roots write it: an OpenSSH public key line, or `{credentialId, publicKey}`.
    #[schema(value_type = Object)]
    pub spec: KeySpec,
    /// When it was registered.
    pub created_at: Timestamp,
}
