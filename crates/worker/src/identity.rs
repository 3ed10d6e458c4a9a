//! Who this node is: its key, its certificate, the authority it trusts, and the key secrets are sealed to.

use std::fmt;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_domain::Timestamp;
use synod_domain::manifest::NodeEntry;
use synod_domain::selector::Labels;
use synod_protocol::agent::ALPN;
use synod_protocol::http::client::{Address, Client};
use synod_protocol::http::node::{EnrolRequest, EnrolResponse};
use synod_protocol::tls::{self, Trust};

use crate::error::{Error, Result};
use crate::files;
use crate::signing::NodeKey;

const KEY: &str = "key.pem";
const CERTIFICATE: &str = "cert.pem";
const CA: &str = "ca.pem";
const AGE_KEY: &str = "age.key";
const NODE: &str = "node.json";

/// What a machine brings along to join.
#[derive(Clone)]
pub struct EnrolOptions {
    /// URLs of servers, tried in order.
    pub servers: Vec<String>,
    /// The name it wants.
    pub name: String,
    /// The join token.
    pub token: String,
    /// SHA-256 of the servers' authority: `sha256:…`.
    pub ca_fingerprint: String,
    /// Labels it wants beyond the token's.
    pub labels: Labels,
    /// Facts about the machine.
    pub facts: Value,
    /// Version of its program.
    pub version: String,
    /// The machine's clock.
    pub clock: Timestamp,
}

/// The node's identity. Lives in a folder of its own, or only in memory.
#[derive(Clone)]
pub struct Identity {
    node: NodeEntry,
    servers: Vec<String>,
    key_pem: String,
    certificate_pem: String,
    ca_pem: String,
    age_key: String,
    dir: Option<PathBuf>,
}

/// The content of `node.json`, whose presence says that the folder is complete.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    node_id: String,
    name: String,
    servers: Vec<String>,
}

impl Identity {
    /// Joins and stores the new identity in a folder.
    pub async fn enrol(dir: &Path, options: &EnrolOptions) -> Result<Self> {
        files::private_dir(dir)?;
        let mut identity = Self::request(options).await?;
        identity.dir = Some(dir.to_owned());
        identity.store(dir)?;
        Ok(identity)
    }

    /// Joins without storing anything.
    pub async fn request(options: &EnrolOptions) -> Result<Self> {
        let trust = Trust::Fingerprint(options.ca_fingerprint.clone());
        let mut last = Error::Config("no server is named; give at least one URL".into());
        for url in &options.servers {
            let address: Address = url.parse().map_err(Error::Config)?;
            let client = Client::to_join(address, &trust).map_err(|e| Error::Config(e.to_string()))?;
            match Self::request_with(&client, options).await {
                // What rustls says of a chain without the pinned authority; trying again would not help.
                Err(Error::Unreachable(why)) if why.contains("invalid peer certificate") => {
                    return Err(Error::Crypto(format!(
                        "{url} shows no valid certificate of the authority with the fingerprint given: {why}; \
                         `synod token create-join` prints the right one beside the token"
                    )));
                }
                Err(Error::Unreachable(why)) if why.contains("NoApplicationProtocol") => {
                    return Err(Error::Config(format!("{url} takes no machines that join; name a Synod server itself, not a proxy before it ({why})")));
                }
                Err(error) if error.is_transient() => last = error,
                done => return done,
            }
        }
        Err(last)
    }

    /// Joins over a client that is there already; it must trust the fingerprint of the options.
    pub async fn request_with(client: &Client, options: &EnrolOptions) -> Result<Self> {
        let key = KeyPair::generate().map_err(crypto)?;
        let age_key = age::x25519::Identity::generate();
        let request = EnrolRequest {
            token: options.token.clone(),
            name: options.name.clone(),
            csr_pem: csr(&key, &options.name)?,
            age_recipient: age_key.to_public().to_string(),
            labels: options.labels.clone(),
            facts: options.facts.clone(),
            version: options.version.clone(),
            clock: options.clock,
        };
        let answer: EnrolResponse = client.post("/api/v1/agent/enrol", &request).await?;
        let shown = tls::fingerprint_of_pem(&answer.ca_pem).map_err(crypto)?;
        let wanted = options.ca_fingerprint.strip_prefix("sha256:").unwrap_or(&options.ca_fingerprint).to_lowercase();
        if shown.strip_prefix("sha256:") != Some(wanted.as_str()) {
            return Err(Error::Crypto(format!("the server handed out the authority {shown}, not the one with the fingerprint given")));
        }
        let identity = Self {
            node: NodeEntry { id: answer.node_id, name: options.name.clone() },
            servers: usable(answer.servers).unwrap_or_else(|| options.servers.clone()),
            key_pem: key.serialize_pem(),
            certificate_pem: answer.certificate_pem,
            ca_pem: answer.ca_pem,
            age_key: age_key.to_string().expose_secret().to_owned(),
            dir: None,
        };
        identity.check_certificate(&identity.certificate_pem)?;
        Ok(identity)
    }

    /// Reads a folder; `None` when it holds no complete identity.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let Some(node) = files::read(&dir.join(NODE))? else { return Ok(None) };
        let damaged = |what: &str| Error::Damaged(format!("{}: {what}; remove the folder and enrol the machine again", dir.display()));
        let node: NodeFile = serde_json::from_str(&node).map_err(|e| damaged(&format!("{NODE} cannot be read: {e}")))?;
        let part = |name: &str| files::read(&dir.join(name))?.ok_or_else(|| damaged(&format!("{name} is missing")));
        let identity = Self {
            node: NodeEntry { id: node.node_id, name: node.name },
            servers: node.servers,
            key_pem: part(KEY)?,
            certificate_pem: part(CERTIFICATE)?,
            ca_pem: part(CA)?,
            age_key: part(AGE_KEY)?,
            dir: Some(dir.to_owned()),
        };
        identity.check_certificate(&identity.certificate_pem).map_err(|e| damaged(&e.to_string()))?;
        identity.age_identity().map_err(|e| damaged(&e.to_string()))?;
        Ok(Some(identity))
    }

    fn store(&self, dir: &Path) -> Result<()> {
        files::replace(&dir.join(KEY), self.key_pem.as_bytes())?;
        files::replace(&dir.join(CERTIFICATE), self.certificate_pem.as_bytes())?;
        files::replace(&dir.join(CA), self.ca_pem.as_bytes())?;
        files::replace(&dir.join(AGE_KEY), self.age_key.as_bytes())?;
        self.store_node(dir)
    }

    fn store_node(&self, dir: &Path) -> Result<()> {
        let node = NodeFile { node_id: self.node.id.clone(), name: self.node.name.clone(), servers: self.servers.clone() };
        let text = serde_json::to_vec_pretty(&node).map_err(|e| Error::Damaged(e.to_string()))?;
        files::replace(&dir.join(NODE), &text)
    }

    /// The node as manifests name it.
    pub fn node(&self) -> &NodeEntry {
        &self.node
    }

    /// URLs of all servers known.
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// PEM of the certificate.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// PEM of the authority this node trusts.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The TLS side of this node for the stream to a server.
    pub fn tls(&self) -> Result<tokio_rustls::rustls::ClientConfig> {
        self.tls_with(&self.certificate_pem)
    }

    fn tls_with(&self, certificate_pem: &str) -> Result<tokio_rustls::rustls::ClientConfig> {
        let identity = tls::Identity { certificate_pem: certificate_pem.to_owned(), key_pem: self.key_pem.clone() };
        tls::client_config(&Trust::Ca(self.ca_pem.clone()), Some(&identity), ALPN).map_err(crypto)
    }

    /// Remembers the servers when the list changed and names any that can be used.
    pub fn set_servers(&mut self, servers: Vec<String>) -> Result<bool> {
        let Some(servers) = usable(servers) else { return Ok(false) };
        if servers == self.servers {
            return Ok(false);
        }
        self.servers = servers;
        self.dir.as_deref().map_or(Ok(()), |dir| self.store_node(dir)).map(|()| true)
    }

    /// When the certificate begins and ends.
    pub fn validity(&self) -> Result<(Timestamp, Timestamp)> {
        validity(&self.certificate_pem)
    }

    /// Whether less than a third of the certificate's validity is left.
    pub fn needs_renewal(&self, now: Timestamp) -> bool {
        self.validity().is_ok_and(|(from, until)| until.since(now).saturating_mul(3) < until.since(from))
    }

    /// A request for a new certificate for the same key.
    pub fn renewal(&self) -> Result<String> {
        csr(&KeyPair::from_pem(&self.key_pem).map_err(crypto)?, &self.node.name)
    }

    /// Takes a new certificate into use, when it is for this node's key and lives longer than the old one.
    pub fn renewed(&mut self, certificate_pem: String) -> Result<()> {
        self.check_certificate(&certificate_pem)?;
        if validity(&certificate_pem)?.1 <= self.validity()?.1 {
            return Err(Error::Crypto("the new certificate ends no later than the old one".into()));
        }
        if let Some(dir) = &self.dir {
            files::replace(&dir.join(CERTIFICATE), certificate_pem.as_bytes())?;
        }
        self.certificate_pem = certificate_pem;
        Ok(())
    }

    fn check_certificate(&self, pem: &str) -> Result<()> {
        // rustls compares the certificate's key with ours.
        self.tls_with(pem)?;
        validity(pem).map(|_| ())
    }

    /// The key that signs results.
    pub(crate) fn node_key(&self) -> Result<NodeKey> {
        NodeKey::new(&self.key_pem, self.node.clone())
    }

    fn age_identity(&self) -> Result<age::x25519::Identity> {
        self.age_key.trim().parse().map_err(|why| Error::Crypto(format!("{AGE_KEY} holds no age key: {why}")))
    }

    /// Opens what was sealed to this node.
    pub(crate) fn open_sealed(&self, sealed: &[u8]) -> Result<Vec<u8>> {
        age::decrypt(&self.age_identity()?, sealed).map_err(|_| Error::Crypto("what was sealed cannot be opened with this node's key".into()))
    }

    /// The recipient secrets are sealed to.
    pub fn age_recipient(&self) -> Result<String> {
        Ok(self.age_identity()?.to_public().to_string())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("node", &self.node).field("servers", &self.servers).finish_non_exhaustive()
    }
}

fn csr(key: &KeyPair, name: &str) -> Result<String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serialize_request(key).and_then(|csr| csr.pem()).map_err(crypto)
}

fn usable(servers: Vec<String>) -> Option<Vec<String>> {
    let servers: Vec<String> = servers.into_iter().filter(|url| url.parse::<Address>().is_ok()).collect();
    (!servers.is_empty()).then_some(servers)
}

fn validity(pem: &str) -> Result<(Timestamp, Timestamp)> {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(crypto)?;
    let certificate = block.parse_x509().map_err(crypto)?;
    let validity = certificate.validity();
    let at = |seconds: i64| Timestamp(seconds.saturating_mul(1000));
    Ok((at(validity.not_before.timestamp()), at(validity.not_after.timestamp())))
}

fn crypto(error: impl fmt::Display) -> Error {
    Error::Crypto(error.to_string())
}
