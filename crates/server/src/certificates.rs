//! The authority: made at first start, kept sealed in the database, shared by all servers. It signs the
//! servers' certificates and the agents' short-lived ones.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use synod_db::{Db, meta};
use synod_domain::error::code;
use synod_domain::{Error, Problem, Result, Span, Timestamp};
use time::OffsetDateTime;

use crate::keys::Keys;

/// The certificate authority of an installation.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub pem: String,
    /// `sha256:…` of its certificate.
    pub fingerprint: String,
}

/// A certificate with its key, PEM.
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its key; empty when the key is the requester's own.
    pub key_pem: String,
    /// The DER of its key's SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// How agents' certificates name them: `synod:node:ID` as URI.
const NODE_URI: &str = "synod:node:";

impl Authority {
    /// Opens the authority of this database, or makes it.
    pub async fn open(db: &Db, keys: &Keys, now: Timestamp) -> Result<Self> {
        let key = KeyPair::generate().map_err(Error::internal)?;
        let mut params = params("Synod CA", now, Span::secs(3650 * 86_400))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let made = params.self_signed(&key).map_err(Error::internal)?;
        let mut tx = db.begin().await?;
        // Key and certificate as one value: two servers that start at once agree on one of them.
        let value = format!("{}\n{}", keys.seal(key.serialize_pem().as_bytes()), made.pem());
        let stands = meta::set_once(&mut tx, "authority", &value).await?;
        tx.commit().await?;
        let (sealed, pem) = stands.split_once('\n').ok_or_else(|| Error::internal("the stored authority is unreadable"))?;
        let key_pem = String::from_utf8(keys.unseal(sealed)?).map_err(Error::internal)?;
        let key = KeyPair::from_pem(&key_pem).map_err(Error::internal)?;
        let issuer = Issuer::from_ca_cert_pem(pem, key).map_err(Error::internal)?;
        let fingerprint = synod_protocol::tls::fingerprint_of_pem(pem).map_err(Error::internal)?;
        Ok(Self { issuer, pem: pem.to_owned(), fingerprint })
    }

    /// Issues a server's certificate for names and addresses.
    pub fn issue_server(&self, names: &[String], now: Timestamp) -> Result<Issued> {
        let key = KeyPair::generate().map_err(Error::internal)?;
        let mut params = params("synod server", now, Span::secs(397 * 86_400))?;
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    name.as_str()
                        .try_into()
                        .map_err(|_| Error::new(code::CONFIGURATION, format!("`{name}` is neither a host name nor an address; check `url` and `names`")))?,
                ),
            });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, &key, key.serialize_pem())
    }

    /// Issues a node's certificate for the public key of its request; nothing else of the request counts.
    pub fn issue_node(&self, csr_pem: &str, node_id: &str, now: Timestamp, lifetime: Span) -> Result<Issued> {
        let csr = CertificateSigningRequestParams::from_pem(csr_pem)
            .map_err(|e| Error::problems(code::INVALID_DOCUMENT, vec![Problem::at("/csrPem", format!("not a certificate request: {e}"))]))?;
        let mut params = params(node_id, now, lifetime)?;
        params.subject_alt_names = vec![SanType::URI(format!("{NODE_URI}{node_id}").try_into().map_err(Error::internal)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, &csr.public_key, String::new())
    }

    fn sign(&self, params: CertificateParams, key: &impl rcgen::PublicKeyData, key_pem: String) -> Result<Issued> {
        let serial = params.serial_number.as_ref().map(|s| hex::encode(s.to_bytes())).unwrap_or_default();
        let expires_at = Timestamp(params.not_after.unix_timestamp() * 1000);
        let certificate = params.signed_by(key, &self.issuer).map_err(Error::internal)?;
        Ok(Issued { certificate_pem: certificate.pem(), key_pem, spki: key.subject_public_key_info(), serial, expires_at })
    }
}

fn params(name: &str, now: Timestamp, lifetime: Span) -> Result<CertificateParams> {
    let at = |ms: i64| OffsetDateTime::from_unix_timestamp(ms / 1000).map_err(Error::internal);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    // Five minutes for clocks that run behind.
    params.not_before = at(now.0 - 300_000)?;
    params.not_after = at(now.after(lifetime).0)?;
    let mut serial: [u8; 16] = rand::random();
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// The node a client certificate names. Its chain was verified by TLS.
pub fn node_of(certificate: &[u8]) -> Option<String> {
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => uri.strip_prefix(NODE_URI).map(str::to_owned),
        _ => None,
    })
}
