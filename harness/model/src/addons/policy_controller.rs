//! Sigstore's policy-controller: its kinds and its refusals.
//!
//! The texts are those of 0.15 (sigstore/policy-controller `pkg/webhook/validator.go`), as a
//! cluster answered them: HTTP 400, `admission webhook "policy.sigstore.dev" denied the request:
//! validation failed: WHAT`.

use super::is_name;
use crate::kinds::cluster_kind;
use crate::scope::{all_are_ours, is_our_image};
use crate::{
    AddonControl, AddonVersion, KindBarrier, KindIsolation, PolicySubject, PureAddon, ReachRule,
    WebhookDenial,
};

const ADDON_BARRIER: KindBarrier = KindBarrier::Addon("policy-controller");
const GLOBS_ISOLATION: KindIsolation = KindIsolation::Stated(ReachRule(|policy| {
    all_are_ours(&policy["spec"]["images"], |image| {
        is_our_image(&image["glob"])
    })
}));

/// policy-controller.
pub static ADDON: PureAddon = PureAddon {
    name: "policy-controller",
    about: "Sigstore's policy-controller.",
    versions: &[AddonVersion {
        version: "0.15.1",
        components: &["policy-controller-0.15.1"],
    }],
    part_of: None,
    needs_node: true,
    namespace: Some("cosign-system"),
    asks_registries: true,
    one_by_one: false,
    second_try: None,
    milestones: &["policy-controller"],
    kinds: &[
        cluster_kind(
            "policy.sigstore.dev",
            "ClusterImagePolicy",
            GLOBS_ISOLATION,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policy.sigstore.dev",
            "TrustRoot",
            KindIsolation::Name,
            ADDON_BARRIER,
        ),
    ],
    without_barrier: &[],
    denials: &[WebhookDenial {
        is_webhook: |name| name == WEBHOOK_NAME,
        policies,
        instead: &[NO_MATCH, NO_DIGEST],
        about: "Sigstore's policy-controller, by the policy of this name (several with a comma between them); `no matching policies` where none matched.",
    }],
    settle_message: Some(settle_authorities),
    unserved: None,
    varying_texts: &[],
    control: Some(&AddonControl {
        title: "policy-controller",
        groups: &["policy.sigstore.dev"],
        subjects: &[
            PolicySubject::Pods,
            PolicySubject::Images,
            PolicySubject::LabelledObjects,
        ],
        ways: &[],
        // policy-controller 0.15.1 `config/webhook.yaml`: its webhooks stay and fail closed while it is away.
        engine_ways: &[],
        webhook_labels: &["policy.sigstore.dev/include"],
        needs_no_object: false,
        compared: &[],
        stops: None,
    }),
    contradicts: None,
    made_policy_prefixes: &[],
};

/// Its webhooks for what holds images, validating and mutating alike.
const WEBHOOK_NAME: &str = "policy.sigstore.dev";

const NO_MATCH: &str = "no matching policies";
const NO_DIGEST: &str = "must be an image digest";

/// The policies that refused, from what follows `denied the request`. Where it was none, it is what
/// was wrong instead.
fn policies(rest: &str) -> Vec<&str> {
    let Some(said) = rest.strip_prefix(": validation failed: ") else {
        return Vec::new();
    };
    if said.starts_with("failed policy: ") {
        return said.lines().filter_map(failed_policy).collect();
    }
    instead(said).into_iter().collect()
}

fn failed_policy(line: &str) -> Option<&str> {
    let (name, _) = line
        .strip_prefix("failed policy: ")?
        .split_once(": spec.")?;
    is_name(name).then_some(name)
}

/// What was wrong where no policy refused.
fn instead(said: &str) -> Option<&'static str> {
    if said.starts_with("no matching policies: spec.") {
        return Some(NO_MATCH);
    }
    let (image, _) = said
        .strip_prefix("invalid value: ")?
        .split_once(": spec.")?;
    image
        .ends_with(" must be an image digest")
        .then_some(NO_DIGEST)
}

/// What is said of a policy's authorities, without their numbers and in one order: they are checked
/// side by side, and told of in whatever order they end.
fn settle_authorities(text: &str) -> String {
    sort_authorities(&hide_numbers(text))
}

/// `authority authority-1` with `<authority>` for what is only a number.
fn hide_numbers(text: &str) -> String {
    const NUMBERED: &str = "authority authority-";
    let mut parts = text.split(NUMBERED);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let goes_on = rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if rest.len() == part.len() || goes_on {
            out.push_str(NUMBERED);
            out.push_str(part);
        } else {
            out.push_str("authority <authority>");
            out.push_str(rest);
        }
    }
    out
}

/// What is said of each of a policy's authorities, in the order of the alphabet.
fn sort_authorities(text: &str) -> String {
    const BEGINS: &str = " validation failed for authority <authority>";
    let sorted = |line: &str| {
        let starts: Vec<usize> = line
            .match_indices(BEGINS)
            .filter_map(|(at, _)| {
                let kind = line[..at]
                    .rfind("attestation")
                    .max(line[..at].rfind("signature"))?;
                Some(kind)
            })
            .collect();
        // Nothing of a text may get lost that is built otherwise.
        let [first, _, ..] = starts[..] else {
            return line.to_owned();
        };
        if !starts.is_sorted() {
            return line.to_owned();
        }
        let ends = starts.iter().skip(1).copied().chain([line.len()]);
        let mut told: Vec<&str> = starts
            .iter()
            .zip(ends)
            .map(|(start, end)| line.get(*start..end).unwrap_or_default().trim_end())
            .collect();
        told.sort_unstable();
        format!("{}{}", &line[..first], told.join(" "))
    };
    if text.matches(BEGINS).nth(1).is_none() {
        return text.to_owned();
    }
    text.split('\n').map(sorted).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{hide_numbers, policies, settle_authorities};

    const IMAGE: &str = "registry.box:5000/w1/app@sha256:b49242694c5092ebe21faebabde3a144cd131784a14ddaf0b308b169798e4b1c";

    fn behind(said: &str) -> Option<String> {
        let said = format!(": validation failed: {said}");
        let named = policies(&said);
        (!named.is_empty()).then(|| named.join(", "))
    }

    #[test]
    fn names_the_policy() {
        for why in [
            "signature key validation failed for authority authority-0 for registry.box:5000/w1/app@sha256:b492: no signatures found",
            "constructing checkOpts for authority-0: when using the new bundle format, the authority must be keyless",
            "disallowed by static policy: never",
            "attestation keyless validation failed for authority authority-0 for registry.box:5000/w1/app@sha256:b492: no valid bundles exist in registry",
            "no matching attestations with type https://slsa.dev/provenance/v1, checked the following predicateTypes: \"https://cyclonedx.org/bom\"",
        ] {
            let said = format!("failed policy: w1-key: spec.containers[0].image\n{IMAGE} {why}");
            assert_eq!(behind(&said).as_deref(), Some("w1-key"), "{why}");
        }
        let template = format!(
            "failed policy: a.b: spec.jobTemplate.spec.template.spec.containers[0].image\n{IMAGE} x"
        );
        assert_eq!(behind(&template).as_deref(), Some("a.b"));
    }

    #[test]
    fn names_all_of_several() {
        let said = format!(
            "failed policy: a: spec.containers[0].image\n{IMAGE} x\nfailed policy: b: spec.containers[0].image"
        );
        assert_eq!(behind(&said).as_deref(), Some("a, b"));
    }

    #[test]
    fn says_that_no_policy_matched() {
        let said = format!("no matching policies: spec.initContainers[0].image\n{IMAGE}");
        assert_eq!(behind(&said).as_deref(), Some("no matching policies"));
    }

    #[test]
    fn says_that_there_is_no_digest() {
        let said = "invalid value: registry.box:5000/w1/app:v1 must be an image digest: spec.ephemeralContainers[0].image";
        assert_eq!(behind(said).as_deref(), Some("must be an image digest"));
    }

    #[test]
    fn knows_nothing_else() {
        for said in [
            "context was canceled before validation completed",
            "failed policy: : spec.",
            "failed policy: A b: spec.x",
        ] {
            assert_eq!(behind(said), None, "{said}");
        }
        assert!(policies(": failed policy: w1: spec.containers[0].image").is_empty());
    }

    #[test]
    fn authorities_have_one_order() {
        let told = |first: &str, second: &str| {
            settle_authorities(&format!(
                "refused: image attestation keyless validation failed for authority authority-{first} for x: {first} \
                 attestation keyless validation failed for authority authority-{second} for x: {second}\nend"
            ))
        };
        assert_eq!(told("0", "1"), told("1", "0"));
        assert!(told("1", "0").starts_with("refused: image attestation keyless"));
        assert!(told("1", "0").ends_with("\nend"));
    }

    #[test]
    fn only_a_number_is_hidden() {
        assert_eq!(
            hide_numbers("for authority authority-12, authority authority-0"),
            "for authority <authority>, authority <authority>"
        );
        for text in [
            "authority authority-a",
            "authority authority-0a",
            "for authority-0: x",
        ] {
            assert_eq!(hide_numbers(text), text);
        }
    }
}
