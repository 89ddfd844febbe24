//! The words themselves. Each has to stand at the beginning of what it is looked for in: names,
//! messages of a registry and values of a certificate come later, and cannot move there.

use crate::{Answer, RejectionReason};

/// What `cosign verify` and `cosign verify-attestation` say; `nothing` is the word for nothing
/// being attached.
pub(super) fn read_verify(
    text: &str,
    exit: i32,
    nothing: RejectionReason,
) -> Option<RejectionReason> {
    if text == "no signatures found" {
        return (exit == 10).then_some(RejectionReason::NoSignature);
    }
    if let Some(rest) = text.strip_prefix("image tag not found: ") {
        return (exit == 11).then(|| registry_refusal(rest)).flatten();
    }
    if let Some(reasons) = text.strip_prefix("no matching signatures: ") {
        return (exit == 12).then(|| agreed_reason(reasons)).flatten();
    }
    if exit != 1 {
        return None;
    }
    if let Some(reasons) = text.strip_prefix("no matching attestations: ") {
        return if reasons.is_empty() {
            Some(nothing)
        } else {
            agreed_reason(reasons)
        };
    }
    if text.starts_with("none of the attestations matched the predicate type: ") {
        return Some(RejectionReason::NoAttestation);
    }
    if let Some(count) = text.strip_suffix(" validation errors occurred") {
        return count
            .parse::<u32>()
            .is_ok()
            .then_some(RejectionReason::RefusedByPolicy);
    }
    trusted_root(text).or_else(|| registry_refusal(text))
}

/// What `cosign sign` (`signing [REF]: …`) and `cosign attest` (`signing REF: …`) say.
pub(super) fn read_sign(text: &str, exit: i32) -> Option<RejectionReason> {
    if exit != 1 {
        return None;
    }
    if text.starts_with("error getting signing config from TUF: ") {
        return Some(RejectionReason::NoTrustedRoot);
    }
    let Some((_, rest)) = text
        .strip_prefix("signing ")
        .and_then(|rest| rest.split_once(": "))
    else {
        return trusted_root(text);
    };
    let bundle = [
        "signing digest: signing bundle: ",
        "creating bundle: signing bundle: ",
    ];
    if let Some(rest) = bundle.iter().find_map(|head| rest.strip_prefix(head)) {
        return read_bundle(rest);
    }
    let json = rest
        .strip_prefix("unmarshal raw payload to map: ")
        .unwrap_or(rest);
    let broken = [
        "unexpected end of JSON input",
        "invalid character ",
        "json: cannot unmarshal ",
    ];
    if broken.iter().any(|head| json.starts_with(head)) {
        return Some(RejectionReason::Unreadable);
    }
    let asking = ["accessing image: ", "signing digest: ", "writing bundle: "];
    registry_refusal(asking.iter().find_map(|head| rest.strip_prefix(head))?)
}

fn read_bundle(text: &str) -> Option<RejectionReason> {
    const NO_TIMESTAMP: &str =
        "a timestamp authority must be provided to request a short-lived certificate";
    const TOKEN_REFUSED: &str =
        r#"{"code":3, "message":"There was an error processing the identity token""#;
    if text.starts_with(NO_TIMESTAMP) {
        return Some(RejectionReason::NoTimestamp);
    }
    let text = text.strip_prefix("error signing bundle: ")?;
    let refused = text
        .strip_prefix("Fulcio returned 400: ")
        .is_some_and(|body| body.starts_with(TOKEN_REFUSED));
    (refused || text == "unable to get subject from identity token")
        .then_some(RejectionReason::TokenRefused)
}

/// One reason for each signature and attestation that is there, in no fixed order. What is by
/// another signer says nothing about the one that was asked for: it counts where there is nothing
/// else. What then remains has to agree: one word for several reasons would be a guess.
fn agreed_reason(reasons: &str) -> Option<RejectionReason> {
    let mut lines = reasons.lines().peekable();
    let mut all = Vec::new();
    while let Some(line) = lines.next() {
        let why = rejection_reason(line)?;
        if why == RejectionReason::OtherLogEntry {
            while lines
                .next_if(|line| line.starts_with('[') || line.starts_with(" does not match "))
                .is_some()
            {}
        }
        all.push(why);
    }
    let foreign = |why: &RejectionReason| {
        matches!(
            why,
            RejectionReason::WrongKey | RejectionReason::WrongIdentity
        )
    };
    if !all.iter().all(foreign) {
        all.retain(|why| !foreign(why));
    }
    let first = *all.first()?;
    all.iter().all(|why| *why == first).then_some(first)
}

/// Why one signature or attestation does not count: the bundle's words, then those of the older
/// format.
fn rejection_reason(line: &str) -> Option<RejectionReason> {
    const ERROR_MESSAGES: [(&str, RejectionReason); 15] = [
        (
            "failed to verify signature: could not verify envelope: accepted signatures do not match threshold",
            RejectionReason::WrongKey,
        ),
        (
            "failed to verify signature: provided artifact digest does not match any digest in statement",
            RejectionReason::OtherDigest,
        ),
        (
            "failed to verify certificate identity: no matching CertificateIdentity found, last error: expected ",
            RejectionReason::WrongIdentity,
        ),
        (
            "failed to verify log inclusion: not enough verified log entries from transparency log: ",
            RejectionReason::NoLogEntry,
        ),
        (
            "failed to verify log inclusion: verifying log entry: verifying inclusion: calculated root:",
            RejectionReason::OtherLogEntry,
        ),
        (
            "failed to verify leaf certificate: leaf certificate verification failed",
            RejectionReason::InvalidCertificate,
        ),
        (
            "expected key signature, not certificate",
            RejectionReason::WrongKey,
        ),
        (
            "signature time outside of public key validity window",
            RejectionReason::WrongIdentity,
        ),
        (
            "accepted signatures do not match threshold, Found: 0",
            RejectionReason::WrongKey,
        ),
        (
            "invalid signature when validating ASN.1 encoded signature",
            RejectionReason::WrongKey,
        ),
        (
            "invalid or missing digest in claim: ",
            RejectionReason::OtherDigest,
        ),
        // `pkg/cosign/verifiers.go`, for both formats.
        (
            "missing or incorrect annotation",
            RejectionReason::WrongAnnotation,
        ),
        (
            "none of the expected identities matched what was in the certificate, got subjects [",
            RejectionReason::WrongIdentity,
        ),
        (
            "leaf certificate verification failed",
            RejectionReason::InvalidCertificate,
        ),
        (
            "illegal base64 data at input byte ",
            RejectionReason::Unreadable,
        ),
    ];
    if let Some(rest) = line.strip_prefix(
        "failed to verify timestamps: threshold not met for verified signed timestamps: ",
    ) {
        let (_, fault) = rest.split_once("; error: ")?;
        let untrusted = fault.starts_with("unable to verify signed timestamps: ");
        return Some(if untrusted {
            RejectionReason::UntrustedTimestamp
        } else {
            RejectionReason::NoTimestamp
        });
    }
    ERROR_MESSAGES
        .iter()
        .find(|(head, _)| line.starts_with(head))
        .map(|(_, why)| *why)
}

fn trusted_root(text: &str) -> Option<RejectionReason> {
    let rest = text.strip_prefix("setting trusted material: ")?;
    let heads = ["loading trusted root: ", "getting trusted root from TUF "];
    heads
        .iter()
        .any(|head| rest.starts_with(head))
        .then_some(RejectionReason::NoTrustedRoot)
}

/// A registry's answer that withholds what was asked for: `GET URL: CODE: MESSAGE`, or a body that
/// ends too early. That no registry answers at all is something else, and not here.
fn registry_refusal(text: &str) -> Option<RejectionReason> {
    const REGISTRY_CODES: [&str; 8] = [
        "UNAUTHORIZED",
        "DENIED",
        "MANIFEST_UNKNOWN",
        "NAME_UNKNOWN",
        "BLOB_UNKNOWN",
        "TOOMANYREQUESTS",
        "UNKNOWN",
        "UNAVAILABLE",
    ];
    if text == "unexpected EOF" {
        return Some(RejectionReason::NotGiven);
    }
    let (_, said) = ["GET http", "HEAD http"]
        .iter()
        .find_map(|head| text.strip_prefix(head))?
        .split_once(": ")?;
    let code = REGISTRY_CODES.iter().any(|code| {
        said.strip_prefix(code)
            .is_some_and(|rest| rest.starts_with(": "))
    });
    (code || said.starts_with("unexpected status code ")).then_some(RejectionReason::NotGiven)
}

/// syft names each place where it looked for the image; the registry's is the one that counts.
pub(super) fn read_syft(stderr: &str, exit: i32) -> Option<RejectionReason> {
    const REGISTRY_ASKED: &str = "  - oci-registry: failed to get image descriptor from registry: ";
    if exit != 1 {
        return None;
    }
    registry_refusal(
        stderr
            .lines()
            .find_map(|line| line.strip_prefix(REGISTRY_ASKED))?,
    )
}

/// grype's exit code 2 is for a severity that was reached, and for nothing else.
pub(super) fn read_grype(error: Option<&str>, exit: i32) -> Option<Answer> {
    match (exit, error) {
        (2, Some("discovered vulnerabilities at or above the severity threshold")) => {
            Some(Answer::Vulnerable)
        }
        (1, Some("failed to catalog: unable to decode sbom: sbom format not recognized")) => {
            Some(Answer::NotDone {
                why: RejectionReason::Unreadable,
            })
        }
        _ => None,
    }
}
