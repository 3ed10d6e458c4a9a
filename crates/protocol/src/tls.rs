//! TLS for everything that dials: trust is one certificate authority, held as PEM or pinned by fingerprint.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

/// The one cryptography provider of the house.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())).clone()
}

/// `sha256:` and the hexadecimal SHA-256 of a certificate's DER: how people name an authority.
pub fn fingerprint(der: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(der)))
}

/// The fingerprint of the first certificate in a PEM text.
pub fn fingerprint_of_pem(pem: &str) -> Result<String, Error> {
    Ok(fingerprint(first_certificate(pem)?.as_ref()))
}

fn first_certificate(pem: &str) -> Result<CertificateDer<'static>, Error> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| Error::General(format!("no certificate in the PEM text: {e}")))
}

/// Whom a client trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The authority in this PEM text.
    Ca(String),
    /// The certificate with this fingerprint: an authority the server shows in its chain, or its own certificate.
    Fingerprint(String),
}

/// A client's certificate and key, PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}

/// Makes the TLS side of a client that offers one application protocol.
pub fn client_config(trust: &Trust, identity: Option<&Identity>, alpn: &[u8]) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match trust {
        Trust::Ca(pem) => {
            let mut roots = RootCertStore::empty();
            roots.add(first_certificate(pem)?)?;
            builder.with_root_certificates(roots)
        }
        Trust::Fingerprint(text) => {
            let pinned = text.strip_prefix("sha256:").unwrap_or(text).to_lowercase();
            if pinned.len() != 64 || !pinned.chars().all(|c| c.is_ascii_hexdigit()) {
                return Err(Error::General(format!("`{text}` is not a fingerprint; it looks like sha256: and 64 hexadecimal digits")));
            }
            builder.dangerous().with_custom_certificate_verifier(Arc::new(PinnedCa { fingerprint: format!("sha256:{pinned}") }))
        }
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(|e| Error::General(format!("no private key in the PEM text: {e}")))?;
            builder.with_client_auth_cert(vec![first_certificate(&identity.certificate_pem)?], key)?
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}

/// Accepts a server whose chain contains the pinned authority and whose certificate that authority signed, and one whose own
/// certificate is the pinned one: nobody else need vouch for exactly that.
#[derive(Debug)]
struct PinnedCa {
    fingerprint: String,
}

impl ServerCertVerifier for PinnedCa {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if fingerprint(leaf.as_ref()) == self.fingerprint {
            in_force(leaf, now)?;
            return verify_server_name(&ParsedCertificate::try_from(leaf)?, name).map(|()| ServerCertVerified::assertion());
        }
        let ca = chain
            .iter()
            .find(|c| fingerprint(c.as_ref()) == self.fingerprint)
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|e| Error::General(e.to_string()))?
            .verify_server_cert(leaf, chain, name, ocsp, now)
    }

    fn verify_tls12_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

fn in_force(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let at = |time: x509_parser::time::ASN1Time| UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0)));
    let (not_before, not_after) = (at(parsed.validity().not_before), at(parsed.validity().not_after));
    if now < not_before {
        Err(CertificateError::NotValidYetContext { time: now, not_before }.into())
    } else if now > not_after {
        Err(CertificateError::ExpiredContext { time: now, not_after }.into())
    } else {
        Ok(())
    }
}

/// The authority a server shows, for a person to compare: the last certificate of its chain, or its only one.
pub async fn shown_authority(host: &str, port: u16) -> Result<String, String> {
    let chain = shown_chain(host, port).await?;
    chain.into_iter().next_back().ok_or_else(|| format!("{host}:{port} shows no certificate"))
}

/// Connects once without trusting anything and returns the fingerprints of what the server shows, its own certificate first:
/// nothing is sent but the handshake, which is then given up.
pub async fn shown_chain(host: &str, port: u16) -> Result<Vec<String>, String> {
    let seen = Arc::new(std::sync::Mutex::new(None));
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Peek { seen: seen.clone() }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = tokio::net::TcpStream::connect((host, port)).await.map_err(|e| format!("cannot reach {host}:{port}: {e}"))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|e| e.to_string())?;
    let _ = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    let seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    seen.ok_or_else(|| format!("{host}:{port} does not speak TLS, or shows no certificate authority"))
}

#[derive(Debug)]
struct Peek {
    seen: Arc<std::sync::Mutex<Option<Vec<String>>>>,
}

impl ServerCertVerifier for Peek {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = std::iter::once(leaf).chain(chain).map(|certificate| fingerprint(certificate.as_ref())).collect();
        *self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(shown);
        Err(Error::General("only looking".into()))
    }

    fn verify_tls12_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only looking".into()))
    }

    fn verify_tls13_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only looking".into()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
