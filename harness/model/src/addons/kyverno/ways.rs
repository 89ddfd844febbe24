//! Ways round Kyverno's policies alone.

use serde_json::Value;

use crate::names::{image_of, placeholder_names};
use crate::system_users::NODES_GROUP;
use crate::ways::{HeldControl, TriedStep, WayRound, always, attestations, collect_items};
use crate::{Action, AttestImage, ImageName, SignatureFormat, StepIdentity};

pub(super) static WAYS: &[WayRound] = &[
    // kyverno 1.19 `config/install-latest-testing.yaml`, ConfigMap `kyverno`: `excludeGroups`.
    WayRound {
        name: "excluded-group",
        kinds: &[],
        about: "a member of the group `system:nodes` asks, which Kyverno's release leaves out",
        is_open: always,
        is_tried: |_, steps| {
            let is_member = |step: &TriedStep<'_>| match step.step.identity.as_ref() {
                Some(StepIdentity::User { groups, .. }) => {
                    groups.iter().any(|group| group == NODES_GROUP)
                }
                Some(StepIdentity::Serviceaccount { .. } | StepIdentity::Anonymous) | None => false,
            };
            steps.iter().any(is_member)
        },
    },
    // sigstore/cosign 3: a signature is an attestation of a type of its own; `signing/attestation-as-signature`
    // shows it: a rule that names no type takes any. policy-controller
    // asks for that type by itself, and the older format keeps the two under different tags.
    WayRound {
        name: "statement-as-signature",
        kinds: &[],
        about: "a statement of any type by the wanted signer counts as the signature",
        is_open: takes_any_statement,
        is_tried: |_, steps| attestations(steps).any(|one| is_only_statement(one, steps)),
    },
];

/// What a rule of a ClusterPolicy says that looks for Sigstore bundles.
const BUNDLE_RULE: &str = "SigstoreBundle";

/// What an ImageValidatingPolicy calls to look for signatures.
const SIGNATURES_CALL: &str = "verifyImageSignatures(";

/// Whether a rule looks for a signature and names no type: in a ClusterPolicy one for bundles
/// without `attestations`, in an ImageValidatingPolicy an expression that asks for signatures.
fn takes_any_statement(control: &HeldControl<'_>) -> bool {
    let mut rules = Vec::new();
    for object in &control.objects {
        collect_items(object, "verifyImages", &mut rules);
    }
    let is_untyped = |rule: &&Value| rule["type"] == BUNDLE_RULE && rule["attestations"].is_null();
    rules.iter().any(is_untyped) || control.mentions(SIGNATURES_CALL)
}

/// Whether this is a bundle by a signer of other images about one that the signer did not sign, and
/// a pod with that image is sent.
fn is_only_statement(statement: &AttestImage, steps: &[TriedStep<'_>]) -> bool {
    let signed: Vec<&ImageName> = steps
        .iter()
        .filter_map(|step| match &step.step.action {
            Action::Sign(sign) if sign.with == statement.with => Some(&sign.image),
            _ => None,
        })
        .collect();
    statement.format == SignatureFormat::Bundle
        && !signed.is_empty()
        && !signed.contains(&&statement.image)
        && steps.iter().any(|step| sends_image(step, &statement.image))
}

/// Whether an object is sent that names this image.
fn sends_image(step: &TriedStep<'_>, image: &ImageName) -> bool {
    let mut texts = step.sent.iter().map(|object| object.to_string());
    texts.any(|text| {
        placeholder_names(&text)
            .filter_map(image_of)
            .any(|one| one == *image)
    })
}
