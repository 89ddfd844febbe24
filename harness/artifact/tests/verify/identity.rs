//! Signatures by an identity: certificate, issuer, and the time at which they count.

use super::*;

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
    // As in cosign, a timestamp that is not asked for says nothing.
    assert_eq!(
        why(
            "keyless.json",
            &VerifyRequest {
                now: LATE,
                ..unstamped
            }
        ),
        Some(RejectionReason::Expired)
    );
    // A log of tiles gives no time, so the timestamp has to.
    let logged = VerifyRequest {
        timestamp: false,
        ..by_builder(&root)
    };
    assert_eq!(why("keyless.json", &logged), None);
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
