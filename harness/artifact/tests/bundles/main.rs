//! The second reader and cosign on bundles of every form, whole and spoiled in each field: both give
//! the same answer.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

mod cosign;
mod maker;
mod spoil;

use artifact::verify::{
    CertificateText, RequiredSigner, SIGNATURE_STATEMENT, SignedArtifact, TrustedRoot,
    VerifyRejection, VerifyRequest, verify_one,
};
use maker::{
    ARTIFACT, BundleForm, Curve, EntryForm, ISSUED, ISSUER, MadeBundle, SUBJECT, SignerForm,
};
use model::RejectionReason;
use serde_json::Value;

const V01: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";
const V02: &str = "application/vnd.dev.sigstore.bundle+json;version=0.2";
const V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const V03_OLDER: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";

const fn form(
    name: &'static str,
    media_type: &'static str,
    signer: SignerForm,
    curve: Curve,
    entry: EntryForm,
) -> BundleForm {
    BundleForm {
        name,
        media_type,
        signer,
        curve,
        entry,
    }
}

const PROVEN: EntryForm = EntryForm::Artifact { proof: true };
const PROMISED: EntryForm = EntryForm::Artifact { proof: false };

/// Every version, signer, kind of content, kind of entry and curve at least once.
const FORMS: [BundleForm; 10] = [
    form("promised", V01, SignerForm::Chain, Curve::P256, PROMISED),
    form("chain", V02, SignerForm::Chain, Curve::P256, PROVEN),
    form(
        "dsse",
        V02,
        SignerForm::Certificate,
        Curve::P384,
        EntryForm::Dsse,
    ),
    form(
        "intoto",
        V01,
        SignerForm::Chain,
        Curve::P256,
        EntryForm::Intoto,
    ),
    form(
        "artifact",
        V03,
        SignerForm::Certificate,
        Curve::P256,
        PROVEN,
    ),
    form(
        "statement",
        V03_OLDER,
        SignerForm::Certificate,
        Curve::P256,
        EntryForm::Dsse,
    ),
    form("key", V03, SignerForm::Key, Curve::P256, PROVEN),
    form(
        "key-dsse",
        V03,
        SignerForm::Key,
        Curve::P256,
        EntryForm::Dsse,
    ),
    form(
        "key-second",
        V03,
        SignerForm::Key,
        Curve::P256,
        EntryForm::SecondArtifact,
    ),
    form(
        "key-statement",
        V03,
        SignerForm::Key,
        Curve::P256,
        EntryForm::SecondStatement,
    ),
];

/// cosign 3.1.3 checks what a key on P-384 signed with SHA-256 alone, though it signs with SHA-384
/// itself; only for certificates it tries both.
const OTHER_KEYS: [BundleForm; 2] = [
    form("key-p384", V03, SignerForm::Key, Curve::P384, PROVEN),
    form(
        "key-p384-second",
        V03,
        SignerForm::Key,
        Curve::P384,
        EntryForm::SecondStatement,
    ),
];

fn judge(made: &MadeBundle) -> Result<(), VerifyRejection> {
    judge_annotated(made, &[])
}

fn judge_annotated(made: &MadeBundle, annotations: &[(&str, &str)]) -> Result<(), VerifyRejection> {
    let annotations = annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let root = TrustedRoot::read(&made.root.to_string())?;
    let digest = artifact::digest(ARTIFACT);
    let by = match made.form.signer {
        SignerForm::Key => RequiredSigner::Key(&made.key),
        SignerForm::Certificate | SignerForm::Chain => RequiredSigner::Identity {
            subject: CertificateText::Exactly(SUBJECT),
            issuer: CertificateText::Exactly(ISSUER),
        },
    };
    let wanted = VerifyRequest {
        by,
        predicate_type: SIGNATURE_STATEMENT,
        annotations,
        log: true,
        timestamp: false,
        root: &root,
        now: u64::try_from(ISSUED + 1_000_000).unwrap(),
    };
    let artifact = SignedArtifact {
        digest: &digest,
        bytes: Some(ARTIFACT),
    };
    verify_one(made.bundle.to_string().as_bytes(), &artifact, &wanted)
}

#[test]
fn a_bundle_of_each_form_is_good() {
    for form in FORMS.into_iter().chain(OTHER_KEYS) {
        assert_eq!(judge(&MadeBundle::new(form)), Ok(()), "{}", form.name);
    }
}

#[test]
fn annotations_are_those_of_the_subject_that_is_judged() {
    for form in FORMS.into_iter().chain(OTHER_KEYS) {
        let made = MadeBundle::new(form);
        let why = |wanted: &[(&str, &str)]| {
            judge_annotated(&made, wanted)
                .err()
                .map(|rejection| rejection.why)
        };
        let wrong = Some(RejectionReason::WrongAnnotation);
        let production = why(&[("environment", "production")]);
        assert_eq!(
            production.is_none(),
            form.entry.signs_statement(),
            "{}: {production:?}",
            form.name
        );
        for wanted in [
            &[("environment", "staging")][..],
            &[("of", "another")],
            &[("environment", "production"), ("team", "a")],
        ] {
            assert_eq!(why(wanted), wrong, "{} {wanted:?}", form.name);
        }
    }
}

#[test]
fn a_bundle_by_another_is_told_before_its_annotations() {
    let form = FORMS
        .into_iter()
        .find(|form| form.signer == SignerForm::Key && form.entry.signs_statement());
    let (made, other) = (
        MadeBundle::new(form.unwrap()),
        MadeBundle::new(form.unwrap()),
    );
    let made = MadeBundle {
        key: other.key,
        ..made
    };
    let refused = judge_annotated(&made, &[("environment", "staging")]).unwrap_err();
    assert_ne!(refused.why, RejectionReason::WrongAnnotation);
}

/// Fields that are not signed and that nothing rests on, in cosign, either.
fn is_spare(form: &BundleForm, place: &str, is_removed: bool) -> bool {
    let second = matches!(
        form.entry,
        EntryForm::SecondArtifact | EntryForm::SecondStatement
    );
    let ends = |end: &str| place.ends_with(end);
    // A hint names one of several keys, and here there is one.
    ends("/publicKey/hint")
        // Only the first certificate of a chain counts.
        || place.contains("/certificates/1")
        // Rekor 2's place is that of the entry, its size and its root are those of the checkpoint.
        || (second && (ends("/inclusionProof/logIndex") || ends("/rootHash") || ends("/treeSize")))
        // Four entries have the same proof of the second one as three.
        || (!is_removed && ends("/treeSize"))
        // A proof is not demanded where there is a promise, by version 0.1; a promise is never
        // demanded by later ones where only a key is to be checked.
        || (is_removed && form.media_type == V01 && ends("/inclusionProof"))
        || (is_removed && form.signer == SignerForm::Key && place.contains("/inclusionPromise"))
}

#[test]
fn a_bundle_that_is_spoiled_in_one_field_is_refused_with_a_reason() {
    let mut table = String::new();
    for form in FORMS {
        let whole = MadeBundle::new(form);
        for spoiled in spoil::spoil_each_field(&whole.bundle) {
            let made = MadeBundle {
                bundle: spoiled.bundle,
                root: whole.root.clone(),
                key: whole.key.clone(),
                form,
            };
            let said = judge(&made);
            let word = said
                .as_ref()
                .err()
                .map(|rejection| rejection.why.to_string());
            let expected = is_spare(&form, &spoiled.place, spoiled.is_removed);
            table.push_str(&format!(
                "{} {} {}{} {}\n",
                if said.is_ok() == expected {
                    "   "
                } else {
                    "!!!"
                },
                form.name,
                if spoiled.is_removed { "-" } else { "" },
                spoiled.place,
                word.unwrap_or_else(|| "verified".into()),
            ));
        }
    }
    assert!(!table.contains("!!!"), "{table}");
}

/// A trusted root with another period at one of its parts.
fn with_period(root: &Value, place: &str, start: &str, end: &str) -> Value {
    let mut root = root.clone();
    root.pointer_mut(place).unwrap()["validFor"] =
        serde_json::json!({ "start": start, "end": end });
    root
}

#[test]
fn the_time_that_a_log_signed_counts() {
    let whole = MadeBundle::new(FORMS[4]);
    for (place, reason) in [
        ("/tlogs/0/publicKey", RejectionReason::UntrustedLog),
        (
            "/certificateAuthorities/0",
            RejectionReason::UntrustedAuthority,
        ),
    ] {
        for (start, end) in [
            ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"),
            ("2090-01-01T00:00:00Z", "2091-01-01T00:00:00Z"),
        ] {
            let made = MadeBundle {
                bundle: whole.bundle.clone(),
                root: with_period(&whole.root, place, start, end),
                key: whole.key.clone(),
                form: whole.form,
            };
            assert_eq!(judge(&made).unwrap_err().why, reason, "{place} {start}");
        }
    }
}

#[test]
fn a_log_without_a_promise_says_no_time() {
    let mut made = MadeBundle::new(FORMS[4]);
    let entry = &mut made.bundle["verificationMaterial"]["tlogEntries"][0];
    entry.as_object_mut().unwrap().remove("inclusionPromise");
    assert_eq!(judge(&made).unwrap_err().why, RejectionReason::NoTimestamp);
}

#[test]
fn cosign_gives_the_same_answers() {
    // With `SPOIL_ALL`, every field is compared, which takes minutes.
    let cosign = cosign::Cosign::find();
    let mut differ = Vec::new();
    let all = std::env::var_os("SPOIL_ALL").is_some();
    for form in FORMS {
        let whole = MadeBundle::new(form);
        let mut tried = vec![("whole".to_owned(), false, whole.bundle.clone())];
        let spoiled = spoil::spoil_each_field(&whole.bundle).into_iter();
        tried.extend(
            spoiled
                .map(|one| (one.place, one.is_removed, one.bundle))
                .filter(|(place, is_removed, _)| all || is_sample(place, *is_removed)),
        );
        for (place, is_removed, bundle) in tried {
            let made = MadeBundle {
                bundle,
                root: whole.root.clone(),
                key: whole.key.clone(),
                form,
            };
            let (ours, theirs) = (judge(&made), cosign.judge(&made));
            let agree = ours.is_ok() == theirs.is_ok();
            let stricter = ours.is_err() && is_contradiction(&form, &place, is_removed);
            if agree == stricter {
                let sign = if is_removed { "-" } else { "" };
                differ.push(format!("{} {sign}{place}: {ours:?}, {theirs:?}", form.name));
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// What only the second reader refuses: an entry that says that it is of another kind than its body
/// is, and for Rekor 2 a body that is not what was logged. cosign 3.1.3 takes the kind as it is said,
/// and makes the body of Rekor 2 itself.
fn is_contradiction(form: &BundleForm, place: &str, is_removed: bool) -> bool {
    let second = matches!(
        form.entry,
        EntryForm::SecondArtifact | EntryForm::SecondStatement
    );
    place.contains("/kindVersion/")
        || (second && !is_removed && place.ends_with("/canonicalizedBody"))
}

/// The few fields that are compared in every run.
fn is_sample(place: &str, is_removed: bool) -> bool {
    !is_removed
        && ["/integratedTime", "/rootHash", "/signature"]
            .iter()
            .any(|end| place.ends_with(end))
}
