//! TLS on the enrolment port: a manager that shows a certificate, and an agent that looks at it, or
//! does not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError,
    RootCertStore, ServerConfig, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::Error;

/// Takes every certificate, as an agent does that has no authority configured; the server still has
/// to hold its key.
#[derive(Debug)]
pub struct AcceptAnyServer(Arc<CryptoProvider>);

impl AcceptAnyServer {
    /// One that knows the signatures of `provider`.
    #[must_use]
    pub fn new(provider: Arc<CryptoProvider>) -> Arc<Self> {
        Arc::new(Self(provider))
    }
}

impl ServerCertVerifier for AcceptAnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A clock that is ahead of, or behind, the system's.
#[derive(Debug)]
struct ShiftedClock {
    ahead: Duration,
    behind: Duration,
}

impl TimeProvider for ShiftedClock {
    fn current_time(&self) -> Option<UnixTime> {
        let since = Duration::from_secs(UnixTime::now().as_secs());
        Some(UnixTime::since_unix_epoch(
            (since + self.ahead).saturating_sub(self.behind),
        ))
    }
}

/// The files with a certificate and its key.
pub type TlsFiles = (PathBuf, PathBuf);

/// What an agent connects with: it believes the authority in the file `ca`, or everybody, and shows
/// the certificate `own` to a client that asks for one. Its clock is off by this many seconds.
///
/// # Errors
/// When a file cannot be used.
pub(crate) fn client_config(
    ca: Option<&Path>,
    own: Option<&TlsFiles>,
    clock_off: i64,
) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let off = Duration::from_secs(clock_off.unsigned_abs());
    let zero = Duration::ZERO;
    let (ahead, behind) = if clock_off < 0 {
        (zero, off)
    } else {
        (off, zero)
    };
    let clock = Arc::new(ShiftedClock { ahead, behind });
    let builder = ClientConfig::builder_with_details(provider.clone(), clock);
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::Tls { source })?;
    let config = match ca {
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(AcceptAnyServer::new(provider)),
        Some(path) => builder.with_root_certificates(root_store(path)?),
    };
    Ok(Arc::new(match own {
        None => config.with_no_client_auth(),
        Some(files) => {
            let (chain, key) = from_files(files)?;
            config
                .with_client_auth_cert(chain, key)
                .map_err(|source| Error::Tls { source })?
        }
    }))
}

fn root_store(path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for authority in read_certificates(path)? {
        roots
            .add(authority)
            .map_err(|source| Error::Tls { source })?;
    }
    Ok(roots)
}

/// What a manager shows: the certificate and key of these files, or one that it makes and signs
/// itself, as the real one does when it is installed. With an authority in the file `agents` it
/// takes only agents that show a certificate of that.
///
/// # Errors
/// When the files cannot be used.
pub(crate) fn server_config(
    files: Option<&TlsFiles>,
    agents: Option<&Path>,
) -> Result<Arc<ServerConfig>, Error> {
    let (chain, key) = match files {
        Some(files) => from_files(files)?,
        None => self_signed().map_err(|source| Error::Certificate { source })?,
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::Tls { source })?;
    let builder = match agents {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(root_store(path)?), provider)
                    .build();
            builder.with_client_cert_verifier(verifier.map_err(|source| Error::Authority {
                path: path.into(),
                source,
            })?)
        }
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|source| Error::Tls { source })?;
    Ok(Arc::new(config))
}

fn from_files(
    (certificate, key): &TlsFiles,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = read_certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|source| Error::Pem {
        path: key.into(),
        source,
    })?;
    Ok((chain, key))
}

fn self_signed() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(["manager".to_owned()])?;
    params
        .distinguished_name
        .push(DnType::CommonName, "manager");
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    Ok((vec![certificate.der().clone()], key))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    match read() {
        Ok(all) if all.is_empty() => Err(Error::Pem {
            path: path.into(),
            source: rustls_pki_types::pem::Error::NoItemsFound,
        }),
        Ok(all) => Ok(all),
        Err(source) => Err(Error::Pem {
            path: path.into(),
            source,
        }),
    }
}

/// Why a manager does not take an agent's certificate, in words that stay the same; `None` where it
/// is something else.
#[must_use]
pub(crate) fn refusal_reason(fault: &TlsError) -> Option<&'static str> {
    let TlsError::AlertReceived(alert) = fault else {
        return None;
    };
    match alert {
        AlertDescription::CertificateRequired => {
            Some("the manager asks for an agent's certificate")
        }
        // The last stands for a signature of another authority by the same name.
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => {
            Some("the manager does not take the agent's certificate")
        }
        _ => None,
    }
}

/// What is wrong with a manager's certificate, in words that stay the same; `None` where it is
/// something else.
#[must_use]
pub(crate) fn certificate_complaint(fault: &TlsError) -> Option<&'static str> {
    let TlsError::InvalidCertificate(why) = fault else {
        return None;
    };
    Some(match why {
        CertificateError::BadSignature => "certificate signature failure",
        CertificateError::UnknownIssuer => "unable to get local issuer certificate",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate is not yet valid"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "hostname mismatch"
        }
        _ => "certificate verify failed",
    })
}
