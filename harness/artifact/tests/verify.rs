//! The second reader, on bundles as cosign wrote them, whole and spoiled.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

use std::fs;
use std::path::Path;

use artifact::verify::{
    CertificateText, RequiredSigner, SIGNATURE, TrustedRoot, VerifyRequest, verify_any, verify_one,
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
        predicate_type: SIGNATURE,
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
        predicate_type: SIGNATURE,
        log: true,
        timestamp: true,
        root,
        now: LATE,
    }
}

fn why(name: &str, wanted: &VerifyRequest<'_>) -> Option<RejectionReason> {
    verify_one(data(name).as_bytes(), data("digest").trim(), wanted)
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
        let rejection =
            verify_one(data("key.json").as_bytes(), digest, &by_key(&key, &root)).unwrap_err();
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
    assert!(verify_any(&bundles, digest.trim(), &by_key(&key, &root)).is_ok());
    assert_eq!(
        verify_any(&bundles, digest.trim(), &by_key(&other, &root))
            .unwrap_err()
            .why,
        RejectionReason::WrongKey
    );
    assert_eq!(
        verify_any(&bundles[..1], digest.trim(), &by_key(&key, &root))
            .unwrap_err()
            .why,
        RejectionReason::NoSignature
    );
    let attestation = VerifyRequest {
        predicate_type: "https://example.test/other",
        ..by_key(&key, &root)
    };
    assert_eq!(
        verify_any(&bundles, digest.trim(), &attestation)
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
    let reason = |bundles: [Vec<u8>; 2], wanted: &VerifyRequest<'_>, digest: &str| {
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
            digest.trim()
        ),
        RejectionReason::WrongKey
    );
    assert_eq!(
        reason([good, garbage()], &by_key(&key, &root), "sha256:0"),
        RejectionReason::OtherDigest
    );
}

#[test]
fn an_identity_with_log_and_timestamp() {
    let root = root("trusted-root.json");
    assert_eq!(why("keyless.json", &by_builder(&root)), None);
    assert_eq!(
        why("keyless-nolog.json", &by_builder(&root)),
        Some(RejectionReason::NoLogEntry)
    );
    assert_eq!(
        why(
            "keyless-nolog.json",
            &VerifyRequest {
                log: false,
                ..by_builder(&root)
            }
        ),
        None
    );
    assert_eq!(
        why(
            "keyless-neither.json",
            &VerifyRequest {
                log: false,
                ..by_builder(&root)
            }
        ),
        Some(RejectionReason::NoTimestamp)
    );
    assert_eq!(
        why(
            "key.json",
            &VerifyRequest {
                log: false,
                timestamp: false,
                ..by_builder(&root)
            }
        ),
        Some(RejectionReason::WrongIdentity)
    );
}

#[test]
fn a_certificate_counts_at_the_time_of_the_timestamp_or_now() {
    let root = root("trusted-root.json");
    let unstamped = VerifyRequest {
        log: false,
        timestamp: false,
        ..by_builder(&root)
    };
    assert_eq!(
        why(
            "keyless-neither.json",
            &VerifyRequest {
                now: SOON,
                ..unstamped.clone()
            }
        ),
        None
    );
    assert_eq!(
        why(
            "keyless-neither.json",
            &VerifyRequest {
                now: LATE,
                ..unstamped.clone()
            }
        ),
        Some(RejectionReason::Expired)
    );
    assert_eq!(
        why(
            "keyless-neither.json",
            &VerifyRequest {
                now: NOT_BEFORE - 60,
                ..unstamped.clone()
            }
        ),
        Some(RejectionReason::Expired)
    );
    assert_eq!(
        why(
            "keyless.json",
            &VerifyRequest {
                now: LATE,
                ..unstamped
            }
        ),
        None
    );
}

#[test]
fn who_signed_is_compared_in_full_or_as_loosely_as_asked() {
    let root = root("trusted-root.json");
    let like = |text: &str| CertificateText::Like(Regex::new(text).unwrap());
    let by = |subject, issuer| VerifyRequest {
        by: RequiredSigner::Identity { subject, issuer },
        ..by_builder(&root)
    };
    let issuer = || CertificateText::Exactly(ISSUER);
    for text in [
        "builder@example.test.evil",
        "Builder@example.test",
        "",
        "other@example.test",
    ] {
        assert_eq!(
            why(
                "keyless.json",
                &by(CertificateText::Exactly(text), issuer())
            ),
            Some(RejectionReason::WrongIdentity),
            "{text}"
        );
    }
    assert_eq!(
        why(
            "keyless.json",
            &by(
                CertificateText::Exactly(SUBJECT),
                CertificateText::Exactly("http://other")
            )
        ),
        Some(RejectionReason::WrongIdentity)
    );
    assert_eq!(
        why("keyless.json", &by(like("@example"), like("127"))),
        None
    );
    assert_eq!(
        why("keyless.json", &by(like("^@example"), issuer())),
        Some(RejectionReason::WrongIdentity)
    );
}

#[test]
fn nobody_is_trusted_whom_the_root_does_not_name() {
    for (part, wanted) in [
        ("tlogs", RejectionReason::UntrustedLog),
        (
            "certificateAuthorities",
            RejectionReason::UntrustedAuthority,
        ),
        ("timestampAuthorities", RejectionReason::UntrustedTimestamp),
    ] {
        assert_eq!(
            why("keyless.json", &by_builder(&mixed(part))),
            Some(wanted),
            "{part}"
        );
    }
    let nobody = TrustedRoot::default();
    let unstamped = VerifyRequest {
        log: false,
        timestamp: false,
        ..by_builder(&nobody)
    };
    assert_eq!(
        why("keyless.json", &unstamped),
        Some(RejectionReason::NoTrustedRoot)
    );
    assert_eq!(
        TrustedRoot::read("{").unwrap_err().why,
        RejectionReason::NoTrustedRoot
    );
}

/// What a bundle's signature is over, and the signature.
fn signed(text: &[u8]) -> Option<(Value, Value)> {
    let json: Value = serde_json::from_slice(text).ok()?;
    let envelope = &json["dsseEnvelope"];
    Some((
        envelope["payload"].clone(),
        envelope["signatures"][0]["sig"].clone(),
    ))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_never_passes(bytes in proptest::collection::vec(any_byte(), 0..600)) {
        let root = root("trusted-root.json");
        prop_assert!(verify_one(&bytes, data("digest").trim(), &by_builder(&root)).is_err());
        let _ = TrustedRoot::read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_part_of_a_bundle_passes(cut in 0..4000_usize) {
        let (root, whole) = (root("trusted-root.json"), data("keyless.json"));
        let cut = cut % whole.len();
        prop_assert!(verify_one(&whole.as_bytes()[..cut], data("digest").trim(), &by_builder(&root)).is_err());
    }

    #[test]
    fn a_bundle_with_another_byte_passes_only_if_the_signature_is_the_same(place in 0..5000_usize, byte in any_byte()) {
        let root = root("trusted-root.json");
        let mut bytes = data("keyless.json").into_bytes();
        let before = signed(&bytes);
        let place = place % bytes.len();
        bytes[place] = byte;
        if verify_one(&bytes, data("digest").trim(), &by_builder(&root)).is_ok() {
            prop_assert_eq!(signed(&bytes), before);
        }
    }

    #[test]
    fn a_part_of_a_root_trusts_nobody(cut in 0..4000_usize) {
        let whole = data("trusted-root.json");
        prop_assert!(TrustedRoot::read(&whole[..cut % (whole.len() - 1)]).is_err());
    }

    #[test]
    fn a_timestamp_with_another_byte_is_read_without_panic(place in 0..700_usize, byte in any_byte()) {
        let root = root("trusted-root.json");
        let mut json: Value = serde_json::from_str(&data("keyless.json")).unwrap();
        let token = json.pointer_mut(TIMESTAMP).unwrap();
        let mut bytes = STANDARD.decode(token.as_str().unwrap()).unwrap();
        let place = place % bytes.len();
        bytes[place] = byte;
        *token = STANDARD.encode(&bytes).into();
        let _ = verify_one(json.to_string().as_bytes(), data("digest").trim(), &by_builder(&root));
        *json.pointer_mut(TIMESTAMP).unwrap() = STANDARD.encode(&bytes[..place]).into();
        prop_assert!(verify_one(json.to_string().as_bytes(), data("digest").trim(), &by_builder(&root)).is_err());
    }
}

fn any_byte() -> impl Strategy<Value = u8> {
    proptest::num::u8::ANY
}

/// The box's root, with another period at one of its parts; none where the period is null.
fn root_with_period(part: &str, period: &Value) -> Result<TrustedRoot, RejectionReason> {
    let mut root: Value = serde_json::from_str(&data("trusted-root.json")).unwrap();
    let place = match part {
        "tlogs" => "/tlogs/0/publicKey",
        _ => &format!("/{part}/0"),
    };
    let owner = root.pointer_mut(place).unwrap();
    owner["validFor"] = period.clone();
    if period.is_null() {
        owner.as_object_mut().unwrap().remove("validFor");
    }
    TrustedRoot::read(&root.to_string()).map_err(|rejection| rejection.why)
}

#[test]
fn nothing_is_trusted_outside_its_period() {
    let over =
        serde_json::json!({"start": "2010-01-01T00:00:00Z", "end": "2020-01-01T00:00:00.5Z"});
    let later = serde_json::json!({"start": "2090-01-01T00:00:00Z"});
    let open =
        serde_json::json!({"start": "2010-01-01T00:00:00+02:00", "end": "2090-01-01T00:00:00Z"});
    for (part, reason) in [
        ("timestampAuthorities", RejectionReason::UntrustedTimestamp),
        (
            "certificateAuthorities",
            RejectionReason::UntrustedAuthority,
        ),
        ("tlogs", RejectionReason::UntrustedLog),
    ] {
        let said = |period| {
            let root = root_with_period(part, period).unwrap();
            why("keyless.json", &by_builder(&root))
        };
        assert_eq!(said(&open), None, "{part}");
        assert_eq!(said(&over), Some(reason), "{part}");
        assert_eq!(said(&later), Some(reason), "{part}");
    }
}

#[test]
fn a_log_says_from_when_it_is_trusted_and_the_others_need_not() {
    let none = Value::Null;
    for part in ["timestampAuthorities", "certificateAuthorities"] {
        let root = root_with_period(part, &none).unwrap();
        assert_eq!(why("keyless.json", &by_builder(&root)), None, "{part}");
    }
    let only_end = serde_json::json!({"end": "2090-01-01T00:00:00Z"});
    for period in [none, only_end, serde_json::json!({"start": "yesterday"})] {
        let read = root_with_period("tlogs", &period);
        assert_eq!(
            read.unwrap_err(),
            RejectionReason::NoTrustedRoot,
            "{period}"
        );
    }
}
