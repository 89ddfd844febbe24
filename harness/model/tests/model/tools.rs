//! The outputs are those of cosign 3.1.3, syft 1.42.1 and grype 0.109.0 in a box, with their
//! references shortened.

use model::ToolTask::{
    CosignAttest, CosignSign, CosignVerify, CosignVerifyAttestation, Grype, Syft,
};
use model::{Answer, RejectionReason, ToolTask, Verdict, read_tool};
use proptest::prelude::*;

const SKIPPING: &str = "WARNING: Skipping tlog verification is an insecure practice that lacks transparency and \
                        auditability verification for the signature.\n";
const VERIFIED: &str = concat!(
    "\n",
    r#"[{"critical":{"identity":{"docker-reference":"registry.localhost:5001/a:v1"},"image":"#,
    r#"{"docker-manifest-digest":"sha256:300f"},"type":"https://sigstore.dev/cosign/sign/v1"},"optional":{}}]"#,
    "\n"
);
const ATTESTED: &str = concat!(
    r#"{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjAuMSJ9","#,
    r#""payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"MEQC"}]}"#,
    "\n"
);
const SIGNED: &str = "Signing artifact...\nPushing signature to: registry.localhost:5001/a\n";
const LEFT: &str = "failed to verify log inclusion: verifying log entry: verifying inclusion: calculated root:\n\
                    [30 28 226]\n does not match expected root:\n[227 199 251]";

/// What cosign prints for an error.
fn error(text: &str) -> String {
    format!("{SKIPPING}Error: {text}\nerror during command execution: {text}\n")
}

fn not_verified(why: RejectionReason) -> Verdict {
    Answer::VerificationFailed { why }.into()
}

fn not_done(why: RejectionReason) -> Verdict {
    Answer::NotDone { why }.into()
}

fn broken(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Broken { .. })
}

/// Each text with the exit code it came with, and its word.
const VERIFYING: [(i32, &str, RejectionReason); 27] = [
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

const SIGNING: [(&str, RejectionReason); 13] = [
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
    for (exit, text, why) in VERIFYING {
        assert_eq!(
            read_tool(CosignVerify, Some(exit), "", &error(text)),
            not_verified(why),
            "{text}"
        );
    }
    for (text, why) in SIGNING {
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
    let unfit = error("1 validation errors occurred");
    assert_eq!(
        read_tool(CosignVerifyAttestation, Some(1), "", &unfit),
        not_verified(RejectionReason::RefusedByPolicy)
    );
    let other = error("some validation errors occurred");
    assert!(broken(&read_tool(
        CosignVerifyAttestation,
        Some(1),
        "",
        &other
    )));
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

#[test]
fn success_comes_with_its_words() {
    for (tool, stdout, stderr, answer) in [
        (CosignSign, "", SIGNED, Answer::Done),
        (
            CosignAttest,
            "",
            "Using payload from: p.json\nSigning artifact...\n",
            Answer::Done,
        ),
        (
            CosignVerify,
            VERIFIED,
            "\nVerification for a --\n",
            Answer::Verified,
        ),
        (
            CosignVerifyAttestation,
            ATTESTED,
            "\nVerification for a --\n",
            Answer::Verified,
        ),
        (Syft, "", "", Answer::Done),
        (Grype, "No vulnerabilities found\n", "", Answer::Clean),
    ] {
        assert_eq!(
            read_tool(tool, Some(0), stdout, stderr),
            answer.into(),
            "{tool:?}"
        );
    }
    for (tool, stdout) in [
        (CosignSign, ""),
        (CosignAttest, ""),
        (CosignVerify, "[]"),
        (CosignVerify, r#"[{"critical":{}}]"#),
        (CosignVerify, ""),
        (CosignVerifyAttestation, ""),
        (CosignVerifyAttestation, "{}"),
        (Grype, ""),
    ] {
        assert!(
            broken(&read_tool(tool, Some(0), stdout, "")),
            "{tool:?} {stdout}"
        );
    }
}

#[test]
fn scanners_have_their_own_words() {
    let unknown = "[0000] ERROR could not determine source: errors occurred attempting to resolve 'r/a:v1':\n  - \
                   oci-registry: failed to get image descriptor from registry: GET http://r/v2/a/manifests/v1: \
                   MANIFEST_UNKNOWN: manifest unknown; unknown tag=v1\n  - oci-model: failed to fetch descriptor: GET \
                   http://r/v2/a/manifests/v1: MANIFEST_UNKNOWN: manifest unknown; unknown tag=v1\n";
    assert_eq!(
        read_tool(Syft, Some(1), "", unknown),
        not_done(RejectionReason::NotGiven)
    );
    let reached = "[0000] ERROR discovered vulnerabilities at or above the severity threshold\n";
    assert_eq!(
        read_tool(Grype, Some(2), "NAME\n", reached),
        Answer::Vulnerable.into()
    );
    let unreadable =
        "[0000] ERROR failed to catalog: unable to decode sbom: sbom format not recognized\n";
    assert_eq!(
        read_tool(Grype, Some(1), "", unreadable),
        not_done(RejectionReason::Unreadable)
    );
    for stderr in [
        "panic: runtime error\n",
        "",
        "[0000] ERROR failed to load vulnerability db: database does not exist\n",
        "[0000] ERROR failed to load vulnerability db: the vulnerability database was built 46 weeks ago (max allowed \
         age is 5 days)\n",
    ] {
        assert!(broken(&read_tool(Grype, Some(2), "", stderr)), "{stderr}");
        assert!(broken(&read_tool(Grype, Some(1), "", stderr)), "{stderr}");
    }
}

#[test]
fn an_error_needs_its_own_exit_code() {
    for (exit, text, _) in VERIFYING {
        for other in [1, 2, 10, 11, 12, 255, -1]
            .into_iter()
            .filter(|other| *other != exit)
        {
            assert!(
                broken(&read_tool(CosignVerify, Some(other), "", &error(text))),
                "{other} {text}"
            );
        }
    }
    assert!(broken(&read_tool(
        CosignVerify,
        None,
        VERIFIED,
        &error("no signatures found")
    )));
}

/// What a registry, a certificate or a file says cannot pass for what the tool says.
#[test]
fn a_text_within_a_text_is_not_taken_for_it() {
    let known = "no matching attestations: failed to verify signature: provided artifact digest does not match any \
                 digest in statement";
    let message = format!(
        "GET http://r/v2/a/manifests/v1: TEAPOT: x\nError: {known}\nerror during command execution: {known}"
    );
    let inside = format!("something new: {known}");
    let once = format!("Error: {known}\n");
    let other = format!("Error: {known}\nerror during command execution: something new\n");
    for stderr in [
        error(&message),
        error(&inside),
        once,
        other,
        known.to_owned(),
    ] {
        assert!(
            broken(&read_tool(CosignVerify, Some(1), "", &stderr)),
            "{stderr}"
        );
    }
    let gone = r#"Get "http://r/v2/": dial tcp 10.88.0.1:5999: connect: connection refused"#;
    assert!(broken(&read_tool(CosignVerify, Some(1), "", &error(gone))));
}

fn any_tool() -> impl Strategy<Value = ToolTask> {
    prop_oneof![
        Just(CosignSign),
        Just(CosignAttest),
        Just(CosignVerify),
        Just(CosignVerifyAttestation),
        Just(Syft),
        Just(Grype)
    ]
}

/// Known words in any order, cut anywhere, and anything else.
fn any_words() -> impl Strategy<Value = String> {
    let known: Vec<String> = VERIFYING.iter().map(|(_, text, _)| error(text)).collect();
    let known: Vec<_> = known
        .into_iter()
        .chain([SIGNED.to_owned(), ATTESTED.to_owned(), VERIFIED.to_owned()])
        .collect();
    let piece = prop_oneof![
        proptest::sample::select::<String>(known),
        ".*",
        "[\\[{\"\n: ]*"
    ];
    (
        proptest::collection::vec(piece, 0..4),
        any::<proptest::sample::Index>(),
    )
        .prop_map(|(pieces, end)| {
            let all: Vec<char> = pieces.concat().chars().collect();
            all[..end.index(all.len() + 1)].iter().collect()
        })
}

proptest! {
    #[test]
    fn nothing_passes_without_exit_code_0(tool in any_tool(), exit in any::<Option<i32>>(), out in any_words(), err in any_words()) {
        let verdict = read_tool(tool, exit, &out, &err);
        let passed = verdict == Answer::Verified.into() || verdict == Answer::Done.into();
        prop_assert!(!passed || exit == Some(0));
    }

    #[test]
    fn nothing_is_rejected_with_exit_code_0(tool in any_tool(), out in any_words(), err in any_words()) {
        let rejected = matches!(read_tool(tool, Some(0), &out, &err), Verdict::Answered(
            Answer::NotDone { .. } | Answer::VerificationFailed { .. } | Answer::Vulnerable
        ));
        prop_assert!(!rejected);
    }
}
