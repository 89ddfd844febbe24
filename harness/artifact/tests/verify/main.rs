//! The second reader, on bundles as cosign wrote them, whole and spoiled.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

mod garbled;
mod identity;
mod period;
mod stamps;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use artifact::verify::{
    CertificateText, RequiredSigner, SIGNATURE_STATEMENT, SignedArtifact, TrustedRoot,
    VerifyRequest, verify_any, verify_one,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::RejectionReason;
use proptest::prelude::*;
use regex::Regex;
use serde_json::Value;

const CYCLONEDX: &str = "https://cyclonedx.org/bom";
const SUBJECT: &str = "builder@example.test";
const ISSUER: &str = "http://127.0.0.1:9000";
const TIMESTAMP: &str =
    "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";

/// A minute after the certificates were issued, and a day after.
const SOON: u64 = NOT_BEFORE + 60;
const LATE: u64 = NOT_BEFORE + 86_400;
const NOT_BEFORE: u64 = 1_795_382_455;

fn data(name: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(name),
    )
    .unwrap()
}

/// An image of which only the digest is at hand.
fn image(digest: &str) -> SignedArtifact<'_> {
    SignedArtifact {
        digest: digest.trim(),
        bytes: None,
    }
}

fn root(name: &str) -> TrustedRoot {
    TrustedRoot::read(&data(name)).unwrap()
}

/// The box's own root, with one part of another one.
fn mixed(part: &str) -> TrustedRoot {
    let [mut own, other]: [Value; 2] = ["trusted-root.json", "other-root.json"]
        .map(|name| serde_json::from_str(&data(name)).unwrap());
    own[part] = other[part].clone();
    TrustedRoot::read(&own.to_string()).unwrap()
}

fn by_key<'a>(key: &'a str, root: &'a TrustedRoot) -> VerifyRequest<'a> {
    VerifyRequest {
        by: RequiredSigner::Key(key),
        predicate_type: SIGNATURE_STATEMENT,
        annotations: BTreeMap::new(),
        log: false,
        timestamp: false,
        root,
        now: SOON,
    }
}

fn by_builder(root: &TrustedRoot) -> VerifyRequest<'_> {
    let by = RequiredSigner::Identity {
        subject: CertificateText::Exactly(SUBJECT),
        issuer: CertificateText::Exactly(ISSUER),
    };
    VerifyRequest {
        by,
        predicate_type: SIGNATURE_STATEMENT,
        annotations: BTreeMap::new(),
        log: true,
        timestamp: true,
        root,
        now: LATE,
    }
}

fn why(name: &str, wanted: &VerifyRequest<'_>) -> Option<RejectionReason> {
    verify_one(data(name).as_bytes(), &image(&data("digest")), wanted)
        .err()
        .map(|rejection| rejection.why)
}

#[test]
fn a_signature_by_a_key() {
    let (key, other, root) = (data("key.pub"), data("other.pub"), TrustedRoot::default());
    assert_eq!(why("key.json", &by_key(&key, &root)), None);
    assert_eq!(
        why("key.json", &by_key(&other, &root)),
        Some(RejectionReason::WrongKey)
    );
    assert_eq!(
        why("key.json", &by_key("no key", &root)),
        Some(RejectionReason::Unreadable)
    );
    assert_eq!(
        why("keyless.json", &by_key(&key, &root)),
        Some(RejectionReason::WrongKey)
    );
    let strict = VerifyRequest {
        log: true,
        ..by_key(&key, &root)
    };
    assert_eq!(why("key.json", &strict), Some(RejectionReason::NoLogEntry));
    assert_eq!(
        why("key-all.json", &strict),
        Some(RejectionReason::UntrustedLog)
    );
    let stamped = VerifyRequest {
        timestamp: true,
        ..by_key(&key, &root)
    };
    assert_eq!(
        why("key.json", &stamped),
        Some(RejectionReason::NoTimestamp)
    );
    assert_eq!(
        why("key-all.json", &stamped),
        Some(RejectionReason::UntrustedTimestamp)
    );
}

#[test]
fn a_key_with_log_and_timestamp() {
    let (key, root) = (data("key.pub"), root("trusted-root.json"));
    assert_eq!(
        why(
            "key-all.json",
            &VerifyRequest {
                log: true,
                timestamp: true,
                ..by_key(&key, &root)
            }
        ),
        None
    );
}

#[test]
fn a_signature_speaks_of_one_digest() {
    let (key, root) = (data("key.pub"), TrustedRoot::default());
    let other = format!("sha256:{}", "0".repeat(64));
    for digest in [other.as_str(), "", "sha256:"] {
        let rejection = verify_one(
            data("key.json").as_bytes(),
            &image(digest),
            &by_key(&key, &root),
        )
        .unwrap_err();
        assert_eq!(rejection.why, RejectionReason::OtherDigest, "{digest}");
    }
}

#[test]
fn an_attestation_is_no_signature_and_a_signature_no_attestation() {
    let (key, root) = (data("key.pub"), TrustedRoot::default());
    let attestation = VerifyRequest {
        predicate_type: CYCLONEDX,
        ..by_key(&key, &root)
    };
    assert_eq!(why("attestation.json", &attestation), None);
    assert_eq!(
        why("attestation.json", &by_key(&key, &root)),
        Some(RejectionReason::NoSignature)
    );
    assert_eq!(
        why("key.json", &attestation),
        Some(RejectionReason::NoAttestation)
    );
}

#[test]
fn one_good_bundle_is_enough_and_none_is_not() {
    let (key, other, root) = (data("key.pub"), data("other.pub"), TrustedRoot::default());
    let bundles: Vec<Vec<u8>> = ["attestation.json", "keyless.json", "key.json"]
        .map(|name| data(name).into_bytes())
        .into();
    let digest = data("digest");
    assert!(verify_any(&bundles, &image(&digest), &by_key(&key, &root)).is_ok());
    assert_eq!(
        verify_any(&bundles, &image(&digest), &by_key(&other, &root))
            .unwrap_err()
            .why,
        RejectionReason::WrongKey
    );
    assert_eq!(
        verify_any(&bundles[..1], &image(&digest), &by_key(&key, &root))
            .unwrap_err()
            .why,
        RejectionReason::NoSignature
    );
    let attestation = VerifyRequest {
        predicate_type: "https://example.test/other",
        ..by_key(&key, &root)
    };
    assert_eq!(
        verify_any(&bundles, &image(&digest), &attestation)
            .unwrap_err()
            .why,
        RejectionReason::NoAttestation
    );
}

#[test]
fn the_reason_is_that_of_the_one_that_came_furthest_in_any_order() {
    let (key, other, root) = (data("key.pub"), data("other.pub"), TrustedRoot::default());
    let digest = data("digest");
    let good = data("key.json").into_bytes();
    let reason =
        |bundles: [Vec<u8>; 2], wanted: &VerifyRequest<'_>, digest: &SignedArtifact<'_>| {
            let [first, second] = bundles;
            let forward = verify_any(&[first.clone(), second.clone()], digest, wanted).unwrap_err();
            assert_eq!(
                verify_any(&[second, first], digest, wanted),
                Err(forward.clone())
            );
            forward.why
        };
    let garbage = || b"{}".to_vec();
    assert_eq!(
        reason(
            [garbage(), good.clone()],
            &by_key(&other, &root),
            &image(&digest)
        ),
        RejectionReason::WrongKey
    );
    assert_eq!(
        reason([good, garbage()], &by_key(&key, &root), &image("sha256:0")),
        RejectionReason::OtherDigest
    );
}
