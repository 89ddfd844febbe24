//! Ways round what is said about images: another place of the pod, another repository, a tag that
//! moves, a second statement beside the first.

use serde_json::Value;

use super::tried::TriedStep;
use super::{HeldControl, WayRound, always};
use crate::{Action, AttestImage, ImageName};

pub(super) static WAYS: &[WayRound] = &[
    // kubernetes.io, "Use an Image Volume With a Pod".
    WayRound {
        name: "image-volume",
        kinds: &[],
        about: "the image is mounted as a volume",
        is_open: always,
        is_tried: |_, steps| {
            let is_mounted = |step: &TriedStep<'_>| {
                let mut pods = step.sent.iter();
                pods.any(|pod| {
                    let volumes = pod["spec"]["volumes"].as_array();
                    volumes
                        .into_iter()
                        .flatten()
                        .any(|one| !one["image"].is_null())
                })
            };
            steps.iter().any(is_mounted)
        },
    },
    // Kyverno, "Verify Images Rules", `imageReferences`; policy-controller, "images".
    WayRound {
        name: "other-repository",
        kinds: &[],
        about: "the image is in a repository that the policy's pattern does not name",
        is_open: names_repositories,
        is_tried: |control, steps| {
            steps
                .iter()
                .any(|step| names_another_repository(control, step))
        },
    },
    // Kyverno, "Verify Images Rules", `mutateDigest`; policy-controller resolves tags by itself.
    WayRound {
        name: "moved-tag",
        kinds: &[],
        about: "the tag names another image after it was looked at",
        is_open: always,
        is_tried: |_, steps| {
            (0..steps.len()).any(|at| {
                moved_tag(&steps[at]).is_some_and(|image| {
                    steps[..at].iter().any(|step| puts_or_uses(step, image))
                        && steps[at..].iter().any(|step| uses_image(step, image))
                })
            })
        },
    },
    // sigstore/cosign, "attest": an image has as many attestations of a type as anybody attaches.
    WayRound {
        name: "second-attestation",
        kinds: &[],
        about: "a second attestation of the same type says otherwise",
        is_open: asks_what_is_stated,
        is_tried: |_, steps| {
            let all: Vec<&AttestImage> = attestations(steps).collect();
            all.iter()
                .enumerate()
                .any(|(at, one)| all[..at].iter().any(|other| says_otherwise(one, other)))
        },
    },
];

/// The image whose tag a step moves, if the tag was there.
fn moved_tag<'a>(step: &TriedStep<'a>) -> Option<&'a ImageName> {
    match &step.step.action {
        Action::Tamper(tamper) => Some(&tamper.image),
        Action::Copy(copy) => Some(&copy.to),
        Action::Index(index) => Some(&index.image),
        _ => None,
    }
}

/// Whether a step puts an image under its tag, vouches for it, or uses it.
fn puts_or_uses(step: &TriedStep<'_>, image: &ImageName) -> bool {
    let put = match &step.step.action {
        Action::Push(put) => Some(put),
        Action::Sign(sign) => Some(&sign.image),
        Action::Attest(attest) => Some(&attest.image),
        _ => moved_tag(step),
    };
    put == Some(image) || uses_image(step, image)
}

/// Whether a step sends a pod with this image, by its tag.
fn uses_image(step: &TriedStep<'_>, image: &ImageName) -> bool {
    let mut images = Vec::new();
    for object in &step.sent {
        collect_images(object, &mut images);
    }
    let whole = whole_image(&format!("$(image:{}:{})", image.name, image.tag));
    images.contains(&whole)
}

/// The type of the statement that is a signature (cosign 3).
const SIGNATURE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Whether a policy looks for statements of some type, but for the one that is a signature.
fn asks_what_is_stated(control: &HeldControl<'_>) -> bool {
    let mut wanted = Vec::new();
    for object in &control.objects {
        collect_items(object, "attestations", &mut wanted);
    }
    wanted
        .iter()
        .any(|one| !one.to_string().contains(SIGNATURE_TYPE))
}

/// The items of every list behind this key.
pub(crate) fn collect_items<'a>(value: &'a Value, key: &str, items: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == key {
                    items.extend(value.as_array().into_iter().flatten());
                }
                collect_items(value, key, items);
            }
        }
        Value::Array(all) => all.iter().for_each(|item| collect_items(item, key, items)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

pub(crate) fn attestations<'a>(steps: &[TriedStep<'a>]) -> impl Iterator<Item = &'a AttestImage> {
    let all = steps.iter().map(|step| &step.step.action);
    all.filter_map(|action| match action {
        Action::Attest(attest) => Some(attest),
        _ => None,
    })
}

/// Whether two statements of a type about an image differ: the same one in two formats says the
/// same.
fn says_otherwise(one: &AttestImage, other: &AttestImage) -> bool {
    one.image == other.image && one.kind == other.kind && one.predicate != other.predicate
}

/// Whether the policy is for some repositories alone.
fn names_repositories(control: &HeldControl<'_>) -> bool {
    !patterns(control).is_empty()
}

/// What stands before the first star in each pattern for images.
fn patterns(control: &HeldControl<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for object in &control.objects {
        collect_texts(object, &mut texts);
    }
    let before_star = |text: &String| Some(text.split_once('*')?.0.to_owned());
    let is_image = |text: &String| text.contains('/') && !text.contains(' ');
    texts
        .iter()
        .filter(|text| is_image(text))
        .filter_map(before_star)
        .collect()
}

fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(fields) => fields
            .values()
            .for_each(|value| collect_texts(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a pod is sent with an image that no pattern names.
fn names_another_repository(control: &HeldControl<'_>, step: &TriedStep<'_>) -> bool {
    let patterns = patterns(control);
    let mut images = Vec::new();
    for object in &step.sent {
        collect_images(object, &mut images);
    }
    let is_named = |image: &String| {
        patterns
            .iter()
            .any(|pattern| image.starts_with(pattern.as_str()))
    };
    images.iter().any(|image| !is_named(image))
}

/// The images of containers, as the policy sees them.
fn collect_images(value: &Value, images: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_str()) {
                    ("image", Some(image)) => images.push(whole_image(image)),
                    _ => collect_images(value, images),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_images(item, images)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An image with its repository, where a placeholder stands for it.
fn whole_image(image: &str) -> String {
    let own = |name: &str, mark: &str| format!("$(registry)/$(namespace)/{name}{mark}");
    let inner = |kind: &str| image.strip_prefix(kind)?.strip_suffix(')');
    match (inner("$(image:"), inner("$(digest:")) {
        (Some("probe"), _) => "gauntlet.local/probe:1".into(),
        (Some(name), _) => own(name, if name.contains(':') { "" } else { ":v1" }),
        (None, Some(name)) => own(name.split(':').next().unwrap_or(name), "@sha256:"),
        (None, None) => image.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_compared_with_its_repository() {
        for (image, whole) in [
            ("$(image:app)", "$(registry)/$(namespace)/app:v1"),
            ("$(image:app:v2)", "$(registry)/$(namespace)/app:v2"),
            ("$(digest:app:v2)", "$(registry)/$(namespace)/app@sha256:"),
            ("$(image:probe)", "gauntlet.local/probe:1"),
            ("docker.io/app", "docker.io/app"),
        ] {
            assert_eq!(whole_image(image), whole);
        }
    }
}
