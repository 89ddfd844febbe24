//! TLS with certificates that we make. An authority is a word: its key comes from the word, so that
//! client and server need no file in common. That is for tests alone: knowing the word is being the
//! authority.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use probe_protocol::{AttemptStage, BlockedAttempt, FaultReason};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::crypto::CryptoProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore,
    ServerConfig, ServerConnection, StreamOwned,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use time::OffsetDateTime;

use crate::wire::{TlsTrust, reason_of};

/// How long a client may take for a handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// The name that a server gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerIdentity {
    /// The names and addresses in its certificate; `probe` where there are none.
    pub(crate) names: Vec<String>,
    /// Its certificate has expired.
    pub(crate) expired: bool,
    /// It is good since a year ago, and until this many days from now.
    pub(crate) days: Option<i32>,
    /// The authority behind it; a random one where there is none.
    pub(crate) authority: Option<String>,
    /// Files (PEM) instead of all that.
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
}

fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The authority of this word, as PKCS #8 (RFC 8410) and as a certificate.
fn authority_key(word: &str) -> Result<(Certificate, Issuer<'static, KeyPair>), String> {
    const PKCS8: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
    let seed = digest(&SHA256, format!("gauntlet probe {word}").as_bytes());
    let der = [&PKCS8, seed.as_ref()].concat();
    let wrong =
        |why: &dyn std::fmt::Display| format!("failed to make the authority `{word}`: {why}");
    let key = KeyPair::try_from(der).map_err(|why| wrong(&why))?;
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("gauntlet probe {word}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).map_err(|why| wrong(&why))?;
    Ok((certificate, Issuer::new(params, key)))
}

fn random_word() -> Result<String, String> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|why| format!("the system has no random bytes: {why}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What a server of this identity needs.
pub(crate) fn server_config(identity: &ServerIdentity) -> Result<Arc<ServerConfig>, String> {
    let (chain, key) = match (&identity.cert, &identity.key) {
        (Some(cert), Some(key)) => from_files(cert, key)?,
        (None, None) => make_certificate(identity)?,
        _ => {
            return Err(
                "a certificate's file and its key's go together: cert:FILE,key:FILE".into(),
            );
        }
    };
    let wrong = |why: Error| format!("the certificate cannot be used: {why}");
    let builder = ServerConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions();
    builder
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map(Arc::new)
        .map_err(wrong)
}

type CertificateKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn from_files(cert: &str, key: &str) -> Result<CertificateKey, String> {
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|why| format!("failed to read `{key}`: {why}"))?;
    Ok((parse_pem(cert)?, key))
}

fn parse_pem(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    read.map_err(|why| format!("failed to read `{file}`: {why}"))
}

fn make_certificate(identity: &ServerIdentity) -> Result<CertificateKey, String> {
    let (certificate, key) = sign_certificate(identity)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|why| format!("failed to make a key: {why}"))?;
    Ok((vec![certificate.der().clone()], key))
}

/// The certificate of this authority, in PEM.
pub(crate) fn authority_pem(word: &str) -> Result<String, String> {
    authority_key(word).map(|(certificate, _)| certificate.pem())
}

/// A certificate for this identity and its key, in PEM.
pub(crate) fn certificate_pem(identity: &ServerIdentity) -> Result<(String, String), String> {
    sign_certificate(identity).map(|(certificate, key)| (certificate.pem(), key.serialize_pem()))
}

fn sign_certificate(identity: &ServerIdentity) -> Result<(Certificate, KeyPair), String> {
    let (_, issuer) = authority_key(&identity.authority.clone().map_or_else(random_word, Ok)?)?;
    let names = if identity.names.is_empty() {
        vec!["probe".to_owned()]
    } else {
        identity.names.clone()
    };
    let wrong = |why: rcgen::Error| {
        format!(
            "failed to make a certificate for {}: {why}",
            names.join(", ")
        )
    };
    let mut params = CertificateParams::new(names.clone()).map_err(wrong)?;
    if identity.expired {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    }
    if let Some(days) = identity.days {
        let now = OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::days(365);
        params.not_after = now + time::Duration::days(days.into());
    }
    let key = KeyPair::generate().map_err(wrong)?;
    let certificate = params.signed_by(&key, &issuer).map_err(wrong)?;
    Ok((certificate, key))
}

/// Takes a client in.
pub(crate) fn accept_client(
    stream: &TcpStream,
    config: &Arc<ServerConfig>,
) -> io::Result<impl Read + Write + use<>> {
    let mut stream = stream.try_clone()?;
    stream.set_read_timeout(Some(HANDSHAKE_WITHIN))?;
    stream.set_write_timeout(Some(HANDSHAKE_WITHIN))?;
    let mut session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(session, stream))
}

/// A session with the server at the other end, if it is one that we believe.
pub(crate) fn connect_client(
    mut stream: TcpStream,
    host: &str,
    trust: &TlsTrust,
) -> Result<impl Read + Write + use<>, BlockedAttempt> {
    let unusable = |_| BlockedAttempt::new(AttemptStage::Tls, FaultReason::Other);
    let config = client_config(trust).map_err(unusable)?;
    let name = trust.name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name)
        .map_err(|_| BlockedAttempt::new(AttemptStage::Tls, FaultReason::CertificateName))?;
    let mut session = ClientConnection::new(config, name)
        .map_err(|_| BlockedAttempt::new(AttemptStage::Tls, FaultReason::Other))?;
    while session.is_handshaking() {
        session
            .complete_io(&mut stream)
            .map_err(|fault| BlockedAttempt::new(AttemptStage::Tls, handshake_reason(&fault)))?;
    }
    Ok(StreamOwned::new(session, stream))
}

fn client_config(trust: &TlsTrust) -> Result<Arc<ClientConfig>, String> {
    let wrong = |why: Error| why.to_string();
    let builder = ClientConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions();
    let builder = builder.map_err(wrong)?;
    if trust.insecure {
        let anybody = ::agent::AcceptAnyServer::new(crypto_provider());
        return Ok(Arc::new(
            builder
                .dangerous()
                .with_custom_certificate_verifier(anybody)
                .with_no_client_auth(),
        ));
    }
    let mut roots = RootCertStore::empty();
    if let Some(file) = &trust.ca {
        parse_pem(file)?
            .into_iter()
            .try_for_each(|root| roots.add(root))
            .map_err(wrong)?;
    } else {
        // Where no authority is trusted, one of a random word is, which has issued no certificate.
        let word = trust.authority.clone().map_or_else(random_word, Ok)?;
        roots
            .add(authority_key(&word)?.0.der().clone())
            .map_err(wrong)?;
    }
    Ok(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// The word for what ended a handshake.
fn handshake_reason(fault: &io::Error) -> FaultReason {
    let Some(error) = fault
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    else {
        return reason_of(fault);
    };
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                FaultReason::CertificateExpired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                FaultReason::CertificateNotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                FaultReason::CertificateName
            }
            _ => FaultReason::CertificateUnknown,
        },
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => FaultReason::NotTls,
        Error::AlertReceived(AlertDescription::CloseNotify) => FaultReason::Closed,
        _ => FaultReason::Handshake,
    }
}
