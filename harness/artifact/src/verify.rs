//! A second reader of signatures and attestations, which shares no code with cosign.
//!
//! It reads Sigstore bundles of the versions 0.1, 0.2 and 0.3: statements in DSSE envelopes and
//! signatures of the artifact itself, by certificates (alone, or at the head of a chain) and by
//! managed keys; RFC 3161 timestamps; and entries of logs of Rekor's first version (`hashedrekord`,
//! `dsse`, `intoto`; promise and proof) and its second (`hashedrekord`; proof). What a bundle may be
//! without and which faults are fatal follows sigstore-go 1.3.0, which cosign 3.1.3 uses. It is
//! stricter where a bundle contradicts itself: in the kind of a log entry, in the body of an entry of
//! Rekor 2, and in the period of such a log, which cosign does not look at. It takes signatures by
//! P-384 keys with SHA-384 and with SHA-256; cosign, given such a key, takes the latter alone.
//! The `sigstore` crate's verifier of bundles is of no use here: it wants a proof of a certificate
//! transparency log and the log's time, and a box has no such log and a tiled log gives no time.
//!
//! It reads no proof of certificate transparency (SCT) and wants none: it takes a certificate without
//! one, as cosign does with `--insecure-ignore-sct` and does not by its defaults. It knows nothing of
//! witnesses' signatures on a checkpoint, legacy signatures, keys on P-521, and Ed25519 in its variant
//! with a hash (Ed25519ph), with which cosign signs artifacts themselves; where only one of those would
//! do, it rejects. It does not take the keys of a bundle in snake case, which Go's `protojson` does.

mod bundle;
mod certificate;
mod content;
mod encoding;
mod hash;
mod key;
mod log;
mod record;
mod root;
mod timestamp;

use std::collections::BTreeMap;

use model::RejectionReason;
use regex::Regex;
use serde_json::Value;

use crate::{Error, OciRegistry};
use bundle::{LogEntry, SigstoreBundle};
use key::PublicKey;
use log::LoggedTime;
pub use root::TrustedRoot;

/// The predicate type of a signature.
pub const SIGNATURE_STATEMENT: &str = "https://sigstore.dev/cosign/sign/v1";

/// How the media type of every bundle begins. What is of another type was never signed, and is
/// nothing to judge.
const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle";

/// What has to be signed: an image's manifest, or any file.
#[derive(Clone, Copy, Debug)]
pub struct SignedArtifact<'a> {
    /// Its digest, `sha256:…`.
    pub digest: &'a str,
    /// The artifact itself; without it, only statements of its digest can be judged.
    pub bytes: Option<&'a [u8]>,
}

/// What has to be shown for an image.
#[derive(Clone, Debug)]
pub struct VerifyRequest<'a> {
    /// The required signer.
    pub by: RequiredSigner<'a>,
    /// The type of what was stated; [`SIGNATURE_STATEMENT`] for a signature.
    pub predicate_type: &'a str,
    /// What has to be signed beside the digest.
    pub annotations: BTreeMap<String, String>,
    /// An entry in a log that the trusted root knows.
    pub log: bool,
    /// A timestamp of an authority that the trusted root knows. Without it no timestamp is looked
    /// at, unless only one can say when a certificate was used: a log of Rekor's second version
    /// gives no time.
    pub timestamp: bool,
    /// The trusted root.
    pub root: &'a TrustedRoot,
    /// The time that counts where neither a timestamp nor a log is asked for, in seconds since 1970.
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
            RejectionReason::OtherDigest | RejectionReason::RefusedByPolicy => 7,
            RejectionReason::NoLogEntry
            | RejectionReason::UntrustedLog
            | RejectionReason::OtherLogEntry => 8,
            RejectionReason::WrongAnnotation => 9,
        };
        (step, &self.said)
    }
}

/// Judges an image in a registry, by its tag or digest. It is enough that one of its bundles, in the
/// repository `stored_in`, is what is wanted.
///
/// # Errors
/// When the registry does not answer, or refuses.
pub fn verify_image(
    registry: &OciRegistry,
    (repository, reference): (&str, &str),
    stored_in: &str,
    wanted: &VerifyRequest<'_>,
) -> Result<Result<(), VerifyRejection>, Error> {
    let image = registry.fetch_manifest(repository, reference)?;
    let mut bundles = Vec::new();
    for referrer in registry.referrers(stored_in, &image.digest)? {
        let manifest = referrer.json()?;
        let layers = manifest["layers"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let signed = |layer: &&Value| {
            layer["mediaType"]
                .as_str()
                .is_some_and(|kind| kind.starts_with(BUNDLE_TYPE))
        };
        for name in layers
            .iter()
            .filter(signed)
            .filter_map(|layer| layer["digest"].as_str())
        {
            bundles.push(registry.fetch_blob(stored_in, name)?);
        }
    }
    let artifact = SignedArtifact {
        digest: &image.digest,
        bytes: Some(&image.bytes),
    };
    Ok(verify_any(&bundles, &artifact, wanted))
}

/// Judges the bundles that are attached to an artifact.
///
/// # Errors
/// Why none of them is what is wanted: of those of the right type, what is wrong with the one that
/// came furthest, whatever order the registry gives them in.
pub fn verify_any(
    bundles: &[Vec<u8>],
    artifact: &SignedArtifact<'_>,
    wanted: &VerifyRequest<'_>,
) -> Result<(), VerifyRejection> {
    let none = missing_reason(wanted);
    let mut rejection = VerifyRejection::new(
        none,
        format!("nothing of the type {} is attached", wanted.predicate_type),
    );
    for bytes in bundles {
        match verify_one(bytes, artifact, wanted) {
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
    artifact: &SignedArtifact<'_>,
    wanted: &VerifyRequest<'_>,
) -> Result<(), VerifyRejection> {
    let bundle = SigstoreBundle::read(bytes)?;
    check_type(&bundle, wanted)?;
    check_signer(&bundle, artifact, wanted)?;
    bundle
        .content
        .check_annotations(artifact, &wanted.annotations)
}

/// Whether the required signer signed this, when and where that is asked for.
fn check_signer(
    bundle: &SigstoreBundle,
    artifact: &SignedArtifact<'_>,
    wanted: &VerifyRequest<'_>,
) -> Result<(), VerifyRejection> {
    match &wanted.by {
        RequiredSigner::Key(pem) => {
            let key = signer_key(pem)?;
            let times = signing_times(bundle, wanted)?;
            if bundle.certificate().is_ok() {
                return Err(VerifyRejection::new(
                    RejectionReason::WrongKey,
                    "it is signed with a certificate, not with a key alone",
                ));
            }
            let logged = logged_times(bundle, &key, wanted, &times);
            bundle.content.check_signature(&key, artifact)?;
            logged.map(drop)
        }
        RequiredSigner::Identity { subject, issuer } => {
            let times = signing_times(bundle, wanted)?;
            let certificate = bundle.certificate()?;
            let holder = certificate::parse_certificate(certificate)?;
            let logged = logged_times(bundle, &holder.key, wanted, &times);
            let moments = moments(times, &logged, wanted)?;
            for time in moments {
                certificate::check_signer_chain(certificate, wanted.root, time)?;
            }
            holder.matches_signer(subject, issuer)?;
            bundle.content.check_signature(&holder.key, artifact)?;
            logged.map(drop)
        }
    }
}

/// Whether the bundle is of the type that is wanted. One that signs the artifact itself is a
/// signature.
fn check_type(bundle: &SigstoreBundle, wanted: &VerifyRequest<'_>) -> Result<(), VerifyRejection> {
    let said = match bundle.content.statement() {
        Ok(Some(statement)) if statement.predicate_type == wanted.predicate_type => return Ok(()),
        Ok(Some(statement)) => format!("it states {}", statement.predicate_type),
        Ok(None) if wanted.predicate_type == SIGNATURE_STATEMENT => return Ok(()),
        Ok(None) => "it states nothing".to_owned(),
        // What cannot be read is refused once the signature was looked at.
        Err(_) => return Ok(()),
    };
    Err(VerifyRejection::new(missing_reason(wanted), said))
}

fn missing_reason(wanted: &VerifyRequest<'_>) -> RejectionReason {
    if wanted.predicate_type == SIGNATURE_STATEMENT {
        RejectionReason::NoSignature
    } else {
        RejectionReason::NoAttestation
    }
}

/// When timestamps say that it was signed, as far as they are asked for.
fn signing_times(
    bundle: &SigstoreBundle,
    wanted: &VerifyRequest<'_>,
) -> Result<Vec<u64>, VerifyRejection> {
    let by_certificate = matches!(wanted.by, RequiredSigner::Identity { .. });
    let (entries, log_says_no_time) = (&bundle.entries, |(entry, _): &(LogEntry, _)| {
        entry.integrated_time == 0
    });
    let only_stamps =
        by_certificate && wanted.log && !entries.is_empty() && entries.iter().all(log_says_no_time);
    if wanted.timestamp || only_stamps {
        timestamp::verify_timestamps(bundle, wanted.root)
    } else {
        Ok(Vec::new())
    }
}

/// When a certificate has to be valid: whenever it was used, or now where nothing is asked that
/// could say when.
fn moments(
    stamped: Vec<u64>,
    logged: &Result<Vec<LoggedTime>, VerifyRejection>,
    wanted: &VerifyRequest<'_>,
) -> Result<Vec<u64>, VerifyRejection> {
    let logged = match logged {
        Ok(times) => times.as_slice(),
        // Only the log could say when.
        Err(rejection) if stamped.is_empty() => return Err(rejection.clone()),
        // The entry is refused below, if nothing before it is.
        Err(_) => return Ok(stamped),
    };
    let is_proven = !stamped.is_empty() || logged.iter().any(|one| one.is_signed);
    if wanted.log && !is_proven {
        return Err(VerifyRejection::new(
            RejectionReason::NoTimestamp,
            "neither an authority nor a log signed when it was made",
        ));
    }
    let mut moments = stamped;
    moments.extend(logged.iter().map(|one| one.time));
    if moments.is_empty() {
        moments.push(wanted.now);
    }
    Ok(moments)
}

/// When logs say that it was signed, as far as they are asked for.
fn logged_times(
    bundle: &SigstoreBundle,
    key: &PublicKey,
    wanted: &VerifyRequest<'_>,
    stamped: &[u64],
) -> Result<Vec<LoggedTime>, VerifyRejection> {
    if wanted.log {
        log::check_log_entries(bundle, key, wanted.root, stamped)
    } else {
        Ok(Vec::new())
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
