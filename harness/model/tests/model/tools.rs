//! The outputs are those of cosign 3.1.3, syft 1.42.1 and grype 0.109.0 in a box, with their
//! references shortened.

mod rejections;

use model::ToolTask::{
    CosignAttest, CosignSign, CosignVerify, CosignVerifyAttestation, Grype, Syft,
};
use model::{Answer, RejectionReason, ToolTask, Verdict, read_tool};
use proptest::prelude::*;
use rejections::VERIFYING_REJECTIONS;

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
    for (exit, text, _) in VERIFYING_REJECTIONS {
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
    let known: Vec<String> = VERIFYING_REJECTIONS
        .iter()
        .map(|(_, text, _)| error(text))
        .collect();
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
