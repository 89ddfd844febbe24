//! What a tool says that did not verify or sign something.

use super::*;

/// Each text with the exit code it came with, and its word.
pub(super) const VERIFYING_REJECTIONS: [(i32, &str, RejectionReason); 29] = [
    (10, "no signatures found", RejectionReason::NoSignature),
    (
        11,
        "image tag not found: GET http://r/v2/a/manifests/v9: MANIFEST_UNKNOWN: manifest unknown; unknown tag=v9",
        RejectionReason::NotGiven,
    ),
    (
        1,
        "no matching attestations: failed to verify signature: could not verify envelope: accepted signatures do not match threshold, Found: 0, Expected 1",
        RejectionReason::WrongKey,
    ),
    (
        1,
        "no matching attestations: expected key signature, not certificate\nexpected key signature, not certificate",
        RejectionReason::WrongKey,
    ),
    (
        1,
        r#"no matching attestations: failed to verify certificate identity: no matching CertificateIdentity found, last error: expected SAN value "w", got "g""#,
        RejectionReason::WrongIdentity,
    ),
    (
        1,
        r#"no matching attestations: failed to verify certificate identity: no matching CertificateIdentity found, last error: expected SAN value to match regex "w", got "g""#,
        RejectionReason::WrongIdentity,
    ),
    (
        1,
        r#"no matching attestations: failed to verify certificate identity: no matching CertificateIdentity found, last error: expected issuer value "https://other", got "https://kubernetes.default.svc""#,
        RejectionReason::WrongIdentity,
    ),
    (
        1,
        "no matching attestations: signature time outside of public key validity window",
        RejectionReason::WrongIdentity,
    ),
    (
        1,
        "no matching attestations: failed to verify signature: provided artifact digest does not match any digest in statement",
        RejectionReason::OtherDigest,
    ),
    (
        1,
        "no matching attestations: failed to verify log inclusion: not enough verified log entries from transparency log: 0 < 1",
        RejectionReason::NoLogEntry,
    ),
    (
        1,
        "no matching attestations: failed to verify timestamps: threshold not met for verified signed timestamps: 0 < 1; error: %!w(<nil>)",
        RejectionReason::NoTimestamp,
    ),
    (
        1,
        "no matching attestations: failed to verify timestamps: threshold not met for verified signed timestamps: 0 < 1; error: unable to verify signed timestamps: %!w(<nil>)",
        RejectionReason::UntrustedTimestamp,
    ),
    (
        1,
        "no matching attestations: failed to verify leaf certificate: leaf certificate verification failed",
        RejectionReason::InvalidCertificate,
    ),
    (
        1,
        "setting trusted material: loading trusted root: failed to proto-json unmarshal trusted root: proto: unexpected EOF",
        RejectionReason::NoTrustedRoot,
    ),
    (
        1,
        "setting trusted material: loading trusted root: unsupported TrustedRoot media type: ",
        RejectionReason::NoTrustedRoot,
    ),
    (
        1,
        "setting trusted material: loading trusted root: failed to read trusted root open f: no such file or directory",
        RejectionReason::NoTrustedRoot,
    ),
    (
        1,
        r#"setting trusted material: getting trusted root from TUF for new bundle verification: error getting live trusted root: failed to create TUF client failed to load metadata: tuf refresh failed: Get "https://tuf-repo-cdn.sigstore.dev/15.root.json": dial tcp: lookup tuf-repo-cdn.sigstore.dev on [::1]:53: connection refused"#,
        RejectionReason::NoTrustedRoot,
    ),
    (
        1,
        "GET http://f/v2/answer-401/a/manifests/v1: UNAUTHORIZED: the front answers 401 Unauthorized",
        RejectionReason::NotGiven,
    ),
    (
        1,
        "GET http://f/v2/answer-429/a/manifests/v1: TOOMANYREQUESTS: the front answers 429 Too Many Requests",
        RejectionReason::NotGiven,
    ),
    (
        1,
        "GET http://f/v2/answer-500/a/manifests/v1: UNKNOWN: the front answers 500 Internal Server Error",
        RejectionReason::NotGiven,
    ),
    (1, "unexpected EOF", RejectionReason::NotGiven),
    (
        12,
        "no matching signatures: invalid signature when validating ASN.1 encoded signature",
        RejectionReason::WrongKey,
    ),
    (
        1,
        "no matching attestations: missing or incorrect annotation",
        RejectionReason::WrongAnnotation,
    ),
    (
        12,
        "no matching signatures: missing or incorrect annotation\ninvalid signature when validating ASN.1 encoded signature",
        RejectionReason::WrongAnnotation,
    ),
    (
        12,
        "no matching signatures: invalid or missing digest in claim: sha256:aaf0",
        RejectionReason::OtherDigest,
    ),
    (
        12,
        "no matching signatures: none of the expected identities matched what was in the certificate, got subjects [https://kubernetes.io/namespaces/default/serviceaccounts/builder] with issuer https://kubernetes.default.svc",
        RejectionReason::WrongIdentity,
    ),
    (
        12,
        "no matching signatures: leaf certificate verification failed",
        RejectionReason::InvalidCertificate,
    ),
    (
        1,
        "no matching attestations: accepted signatures do not match threshold, Found: 0, Expected 1",
        RejectionReason::WrongKey,
    ),
    (
        1,
        "none of the attestations matched the predicate type: spdxjson, found: https://cyclonedx.org/bom",
        RejectionReason::NoAttestation,
    ),
];

const SIGNING_REJECTIONS: [(&str, RejectionReason); 13] = [
    (
        r#"signing [r/a@sha256:3]: signing digest: signing bundle: error signing bundle: Fulcio returned 400: {"code":3, "message":"There was an error processing the identity token", "details":[]}"#,
        RejectionReason::TokenRefused,
    ),
    (
        r#"signing r/a@sha256:3: creating bundle: signing bundle: error signing bundle: Fulcio returned 400: {"code":3, "message":"There was an error processing the identity token", "details":[]}"#,
        RejectionReason::TokenRefused,
    ),
    (
        "signing [r/a@sha256:3]: signing digest: signing bundle: error signing bundle: unable to get subject from identity token",
        RejectionReason::TokenRefused,
    ),
    (
        "signing [r/a@sha256:3]: signing digest: signing bundle: a timestamp authority must be provided to request a short-lived certificate that will be logged to Rekor",
        RejectionReason::NoTimestamp,
    ),
    (
        "signing [f/answer-401/a@sha256:3]: accessing image: GET http://f/v2/answer-401/a/manifests/sha256:3: UNAUTHORIZED: the front answers 401 Unauthorized",
        RejectionReason::NotGiven,
    ),
    (
        "signing [f/truncate/a@sha256:3]: accessing image: unexpected EOF",
        RejectionReason::NotGiven,
    ),
    (
        "signing [r/a@sha256:1]: signing digest: HEAD http://r/v2/a/manifests/sha256:1: unexpected status code 404 Not Found (HEAD responses have no body, use GET for details)",
        RejectionReason::NotGiven,
    ),
    (
        "signing r/a@sha256:1: writing bundle: HEAD http://r/v2/a/manifests/sha256:1: unexpected status code 404 Not Found (HEAD responses have no body, use GET for details)",
        RejectionReason::NotGiven,
    ),
    (
        "signing r/a@sha256:3: unexpected end of JSON input",
        RejectionReason::Unreadable,
    ),
    (
        "signing r/a@sha256:3: invalid character 'h' looking for beginning of value",
        RejectionReason::Unreadable,
    ),
    (
        "signing r/a@sha256:3: json: cannot unmarshal array into Go value of type map[string]interface {}",
        RejectionReason::Unreadable,
    ),
    (
        "signing r/a@sha256:3: unmarshal raw payload to map: unexpected end of JSON input",
        RejectionReason::Unreadable,
    ),
    (
        r#"error getting signing config from TUF: error getting signing config from TUF: failed to load metadata: tuf refresh failed: Get "https://tuf-repo-cdn.sigstore.dev/15.root.json": connection refused"#,
        RejectionReason::NoTrustedRoot,
    ),
];

#[test]
fn each_known_rejection_has_its_word() {
    for (exit, text, why) in VERIFYING_REJECTIONS {
        assert_eq!(
            read_tool(CosignVerify, Some(exit), "", &error(text)),
            not_verified(why),
            "{text}"
        );
    }
    for (text, why) in SIGNING_REJECTIONS {
        assert_eq!(
            read_tool(CosignSign, Some(1), "", &error(text)),
            not_done(why),
            "{text}"
        );
        assert_eq!(
            read_tool(CosignAttest, Some(1), "", &error(text)),
            not_done(why),
            "{text}"
        );
    }
    let nothing = error("no matching attestations: ");
    assert_eq!(
        read_tool(CosignVerifyAttestation, Some(1), "", &nothing),
        not_verified(RejectionReason::NoAttestation)
    );
    assert_eq!(
        read_tool(CosignVerify, Some(1), "", &nothing),
        not_verified(RejectionReason::NoSignature)
    );
}

#[test]
fn reasons_of_several_lines_have_to_agree() {
    let one = "no matching attestations: ";
    let digest = "failed to verify signature: provided artifact digest does not match any digest in statement";
    let mismatch = error(&format!("{one}{LEFT}\n{LEFT}"));
    assert_eq!(
        read_tool(CosignVerify, Some(1), "", &mismatch),
        not_verified(RejectionReason::OtherLogEntry)
    );
    let twice = error(&format!("{one}{digest}\n{digest}"));
    assert_eq!(
        read_tool(CosignVerify, Some(1), "", &twice),
        not_verified(RejectionReason::OtherDigest)
    );
    let key = "failed to verify signature: could not verify envelope: accepted signatures do not match threshold";
    for by_others in [
        format!("{one}{key}\n{digest}\n{key}"),
        format!("{one}{digest}\n{key}"),
    ] {
        assert_eq!(
            read_tool(CosignVerify, Some(1), "", &error(&by_others)),
            not_verified(RejectionReason::OtherDigest)
        );
    }
    for other in [
        format!("{one}{digest}\n{LEFT}"),
        format!("{one}{digest}\nsomething new"),
        format!("{one}\n"),
    ] {
        assert!(
            broken(&read_tool(CosignVerify, Some(1), "", &error(&other))),
            "{other}"
        );
    }
}
