//! How Kyverno says that it refused.
//!
//! The texts are those of Kyverno 1.19 (kyverno/kyverno `pkg/webhooks/utils/block.go`,
//! `pkg/webhooks/resource/ivpol`), as a cluster answered them: HTTP 400, without a reason.

use crate::addons::is_name;

/// What its webhooks for resources are called: `mutate.kyverno.svc-fail`,
/// `validate.kyverno.svc-ignore`, `ivpol.validate.kyverno.svc-fail-finegrained-POLICY`,
/// `mpol.validate.kyverno.svc-fail`, which mutates. Those for its own policies end in
/// `.kyverno.svc`.
const WEBHOOK_NAMES: &str = ".kyverno.svc-";

pub(super) fn is_webhook(name: &str) -> bool {
    let kind = name.split_once(WEBHOOK_NAMES).map(|(kind, _)| kind);
    kind.is_some_and(|kind| {
        ["mutate", "validate"]
            .iter()
            .any(|end| kind.rsplit('.').next() == Some(end))
    })
}

/// The policies that refused, from what follows `denied the request`.
pub(super) fn policies(rest: &str) -> Vec<&str> {
    let Some(said) = rest.strip_prefix(": ") else {
        return Vec::new();
    };
    let names = if let Some(named) = said.strip_prefix("Policy ") {
        named_each(named, "; Policy ", &[" failed: ", " error: "])
    } else if let Some((_, named)) = mutation_failure(said) {
        named_each(named, " Policy ", &[": "])
    } else {
        blocking_policies(said)
    };
    if names.iter().all(|name| is_name(name)) {
        names
    } else {
        Vec::new()
    }
}

/// What a policy that mutates could not do, behind what it is about:
/// `Resource: NAMESPACE/NAME, Kind: KIND, Errors: [Policy NAME: WHY Policy NAME: WHY]`.
fn mutation_failure(said: &str) -> Option<(&str, &str)> {
    let about = said.strip_prefix("Resource: ")?;
    about
        .split_once(", Errors: [Policy ")
        .filter(|(resource, _)| resource.contains(", Kind: ") && !resource.contains('\n'))
}

/// The policies of a text in which each says why it refused. What one says can hold anything: only
/// what begins like the first counts as another one.
fn named_each<'a>(named: &'a str, between: &str, ends: &[&str]) -> Vec<&'a str> {
    let mut pieces = named.split(between);
    let first = pieces.next().and_then(|piece| first_of(piece, ends));
    let others = pieces
        .filter_map(|piece| first_of(piece, ends))
        .filter(|name| is_name(name));
    first
        .into_iter()
        .flat_map(|first| std::iter::once(first).chain(others.clone()))
        .collect()
}

/// The policies of a list: what they found stands indented below each.
fn blocking_policies(said: &str) -> Vec<&str> {
    let listed = said
        .strip_prefix("\n\nresource ")
        .and_then(|rest| rest.split_once(" was blocked due to the following policies \n\n"))
        .filter(|(resource, _)| !resource.contains('\n'));
    let lines = listed.into_iter().flat_map(|(_, blocked)| blocked.lines());
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(' '))
        .map(|line| line.strip_suffix(':').unwrap_or_default())
        .collect()
}

fn first_of<'a>(text: &'a str, ends: &[&str]) -> Option<&'a str> {
    ends.iter()
        .filter_map(|end| text.split_once(end))
        .map(|(name, _)| name)
        .min_by_key(|name| name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusing_policy(rest: &str) -> Option<String> {
        let named = policies(rest);
        (!named.is_empty()).then(|| named.join(", "))
    }

    const BLOCKED: &str = ": \n\nresource Pod/t1/p was blocked due to the following policies \n\n";

    #[test]
    fn its_webhooks_for_resources_are_known() {
        for name in [
            "mutate.kyverno.svc-fail",
            "validate.kyverno.svc-ignore",
            "ivpol.validate.kyverno.svc-fail-finegrained-i1-signed",
            "ivpol.mutate.kyverno.svc-ignore-finegrained-i3-ignore",
            "vpol.validate.kyverno.svc-fail",
            "nvpol.validate.kyverno.svc-ignore-a1b2c3",
            "mpol.validate.kyverno.svc-fail",
        ] {
            assert!(is_webhook(name), "{name}");
        }
        for name in [
            "validate-policy.kyverno.svc",
            "policy.sigstore.dev",
            "kyverno.svc-fail",
            "a.kyverno.svc-fail",
        ] {
            assert!(!is_webhook(name), "{name}");
        }
    }

    #[test]
    fn a_cluster_policy_is_named() {
        for why in [
            "r0: 'failed to verify image registry.box:5000/ns/app:unsigned: .attestors[0].entries[0].keys: sigstore bundle verification failed: no matching signatures found'",
            "autogen-signed: 'failed to verify image registry.box:5000/ns/app:v1: .attestors[0].entries[0].keys: no signatures found'",
            "signed: missing digest for registry.box:5000/ns/app:v1",
            "signed: unverified image registry.box:5009/xx/yy@sha256:2074e4ca3123a1658fb8ddf88ca99e1cc1fc4248c9a30f1d9c194e0cd0cd43fc",
        ] {
            assert_eq!(
                refusing_policy(&format!("{BLOCKED}t1-pol:\n  {why}\n")),
                Some("t1-pol".to_owned()),
                "{why}"
            );
        }
    }

    #[test]
    fn all_of_several_are_named() {
        assert_eq!(
            refusing_policy(&format!("{BLOCKED}t1-a:\n  r0: x\nt1-b:\n  r0: y\n")),
            Some("t1-a, t1-b".to_owned())
        );
    }

    #[test]
    fn an_image_validating_policy_is_named() {
        assert_eq!(
            refusing_policy(": Policy i1-signed failed: not signed by the key"),
            Some("i1-signed".to_owned())
        );
        assert_eq!(
            refusing_policy(
                ": Policy i4-fail error: failed to evaluate policy: Get \"https://registry.box:5009/v2/\": dial tcp"
            ),
            Some("i4-fail".to_owned())
        );
        assert_eq!(
            refusing_policy(": Policy i4 error: x failed: y"),
            Some("i4".to_owned())
        );
    }

    #[test]
    fn all_of_several_validating_policies_are_named() {
        for (rest, named) in [
            (": Policy a failed: x; Policy b error: y", "a, b"),
            (": Policy a failed: say; Policy", "a"),
            (": Policy a failed: see; Policy No 3 failed: x", "a"),
        ] {
            assert_eq!(refusing_policy(rest), Some(named.to_owned()), "{rest}");
        }
    }

    #[test]
    fn a_mutating_policy_that_fails_is_named() {
        let failed = |errors: &str| {
            refusing_policy(&format!(
                ": Resource: t1/app, Kind: Pod, Errors: [{errors}]"
            ))
        };
        assert_eq!(
            failed("Policy t1-a: may not mutate atomic arrays, maps or structs: .spec.args"),
            Some("t1-a".to_owned())
        );
        assert_eq!(
            failed("Policy t1-a: x Policy t1-b: y"),
            Some("t1-a, t1-b".to_owned())
        );
        assert_eq!(failed("Policy T 1: x"), None);
        assert_eq!(failed("no"), None);
    }

    #[test]
    fn other_words_name_nobody() {
        for rest in [
            ": no",
            ": Policy A B failed: x",
            ": Policy x",
            BLOCKED,
            &format!("{BLOCKED}A b:\n"),
        ] {
            assert_eq!(refusing_policy(rest), None, "{rest}");
        }
        assert_eq!(
            refusing_policy(&format!(": \n\nresource Pod/a\n/b{}a:\n", &BLOCKED[22..])),
            None
        );
    }
}
