//! A second reader of signatures and attestations, which shares no code with cosign.
//!
//! It reads Sigstore bundles of version 0.3 and checks the signature of the envelope, what the
//! statement speaks of, the certificate and its identity, the entry in a log of Rekor's second
//! version, and the RFC 3161 timestamp. The `sigstore` crate's verifier of bundles is of no use
//! here: it wants a proof of a certificate transparency log and the log's time, and a box has no
//! such log and a tiled log gives no time.
//!
//! What it does not do: proofs of certificate transparency, logs of Rekor's first version,
//! witnesses' signatures on a checkpoint, and legacy signatures; where only one of those would do,
//! it rejects.

mod bundle;
mod certificate;
mod expression;
mod key;
mod log;
mod root;
mod timestamp;

use model::RejectionReason;
use regex::Regex;
use serde_json::Value;

use crate::{Error, OciRegistry};
use bundle::{InTotoStatement, SigstoreBundle};
pub use expression::compile_expression;
use key::PublicKey;
pub use root::TrustedRoot;

/// The predicate type of a signature.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// How the media type of every bundle begins. What is of another type was never signed, and is
/// nothing to judge.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.";

/// What has to be shown for an image.
#[derive(Clone, Debug)]
pub struct VerifyRequest<'a> {
    /// The required signer.
    pub by: RequiredSigner<'a>,
    /// The type of what was stated; [`SIGNATURE`] for a signature.
    pub predicate_type: &'a str,
    /// An entry in a log that the trusted root knows.
    pub log: bool,
    /// A timestamp of an authority that the trusted root knows.
    pub timestamp: bool,
    /// The trusted root.
    pub root: &'a TrustedRoot,
    /// The time that counts where there is no timestamp, in seconds since 1970.
    pub now: u64,
}

/// The required signer.
#[derive(Clone, Debug)]
pub enum RequiredSigner<'a> {
    /// The holder of the private half of this key, in PEM.
    Key(&'a str),
    /// The holder of a certificate for this subject, which an issuer of identities vouched for.
    Identity {
        /// The subject.
        subject: CertificateText<'a>,
        /// The token's issuer.
        issuer: CertificateText<'a>,
    },
}

/// A text that has to be in a certificate.
#[derive(Clone, Debug)]
pub enum CertificateText<'a> {
    /// This one.
    Exactly(&'a str),
    /// One that this expression finds something in.
    Like(Regex),
}

impl CertificateText<'_> {
    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exactly(wanted) => *wanted == text,
            Self::Like(expression) => expression.is_match(text),
        }
    }
}

/// Why something is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRejection {
    /// In the closed list's words.
    pub why: RejectionReason,
    /// In our own.
    pub said: String,
}

impl VerifyRejection {
    fn new(why: RejectionReason, said: impl ToString) -> Self {
        Self {
            why,
            said: said.to_string(),
        }
    }

    /// How far it came: what is looked at later ranks higher. Of two that came equally far, the
    /// text decides.
    fn rank(&self) -> (u8, &str) {
        let step = match self.why {
            RejectionReason::NoSignature | RejectionReason::NoAttestation => 0,
            // One that cannot be read says nothing where another can.
            RejectionReason::Unreadable => 1,
            RejectionReason::NotGiven
            | RejectionReason::NoTrustedRoot
            | RejectionReason::TokenRefused => 2,
            RejectionReason::NoTimestamp | RejectionReason::UntrustedTimestamp => 3,
            RejectionReason::UntrustedAuthority
            | RejectionReason::InvalidCertificate
            | RejectionReason::Expired => 4,
            RejectionReason::WrongIdentity => 5,
            RejectionReason::WrongKey => 6,
            RejectionReason::OtherDigest => 7,
            RejectionReason::NoLogEntry
            | RejectionReason::UntrustedLog
            | RejectionReason::OtherLogEntry => 8,
        };
        (step, &self.said)
    }
}

/// Judges an image in a registry, by its tag or digest. It is enough that one of its bundles is
/// what is wanted.
///
/// # Errors
/// When the registry does not answer, or refuses.
pub fn verify_image(
    registry: &OciRegistry,
    repository: &str,
    reference: &str,
    wanted: &VerifyRequest<'_>,
) -> Result<Result<(), VerifyRejection>, Error> {
    let digest = registry.fetch_manifest(repository, reference)?.digest;
    let mut bundles = Vec::new();
    for referrer in registry.referrers(repository, &digest)? {
        let manifest = referrer.json()?;
        let layers = manifest["layers"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let signed = |layer: &&Value| {
            layer["mediaType"]
                .as_str()
                .is_some_and(|kind| kind.starts_with(BUNDLE))
        };
        for name in layers
            .iter()
            .filter(signed)
            .filter_map(|layer| layer["digest"].as_str())
        {
            bundles.push(registry.fetch_blob(repository, name)?);
        }
    }
    Ok(verify_any(&bundles, &digest, wanted))
}

/// Judges the bundles that are attached to the image `digest`.
///
/// # Errors
/// Why none of them is what is wanted: of those of the right type, what is wrong with the one that
/// came furthest, whatever order the registry gives them in.
pub fn verify_any(
    bundles: &[Vec<u8>],
    digest: &str,
    wanted: &VerifyRequest<'_>,
) -> Result<(), VerifyRejection> {
    let none = if wanted.predicate_type == SIGNATURE {
        RejectionReason::NoSignature
    } else {
        RejectionReason::NoAttestation
    };
    let mut rejection = VerifyRejection::new(
        none,
        format!("nothing of the type {} is attached", wanted.predicate_type),
    );
    for bytes in bundles {
        match verify_one(bytes, digest, wanted) {
            Ok(()) => return Ok(()),
            Err(other) if other.why == none => {}
            Err(other) if other.rank() > rejection.rank() => rejection = other,
            Err(_) => {}
        }
    }
    Err(rejection)
}

/// Judges one bundle.
///
/// # Errors
/// Why it is not what is wanted.
pub fn verify_one(
    bytes: &[u8],
    digest: &str,
    wanted: &VerifyRequest<'_>,
) -> Result<(), VerifyRejection> {
    let bundle = SigstoreBundle::read(bytes)?;
    let statement = bundle.statement();
    if let Ok(InTotoStatement { predicate_type, .. }) = &statement
        && predicate_type != wanted.predicate_type
    {
        let none = if wanted.predicate_type == SIGNATURE {
            RejectionReason::NoSignature
        } else {
            RejectionReason::NoAttestation
        };
        return Err(VerifyRejection::new(
            none,
            format!("it states {predicate_type}"),
        ));
    }
    let stamped = timestamp::verify_timestamp(&bundle, wanted.root);
    let time = stamped.as_ref().ok().copied();
    if wanted.timestamp
        && let Err(rejection) = stamped
    {
        return Err(rejection);
    }
    let key = match &wanted.by {
        RequiredSigner::Key(pem) => signer_key(pem)?,
        RequiredSigner::Identity { subject, issuer } => {
            let certificate = bundle.certificate()?;
            let holder = certificate::parse_certificate(certificate)?;
            certificate::check_signer_chain(certificate, wanted.root, time.unwrap_or(wanted.now))?;
            holder.matches_signer(subject, issuer)?;
            holder.key
        }
    };
    bundle.signed_by(&key)?;
    let statement = statement?;
    if !statement.speaks_of(digest) {
        return Err(VerifyRejection::new(
            RejectionReason::OtherDigest,
            "it speaks of another digest",
        ));
    }
    if wanted.log {
        log::check_log_entry(&bundle, wanted.root, time)
    } else {
        Ok(())
    }
}

fn signer_key(pem: &str) -> Result<PublicKey, VerifyRejection> {
    PublicKey::from_pem(pem).map_err(|fault| {
        VerifyRejection::new(
            RejectionReason::Unreadable,
            format!("the public key cannot be read: {fault}"),
        )
    })
}
