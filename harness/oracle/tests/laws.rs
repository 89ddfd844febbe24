//! What holds for every cluster of policies, every pod and every world of roles.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

use std::collections::BTreeSet;

use oracle::generate::{network, pod_security, rbac};
use oracle::network::{Network, Probe, World};
use oracle::pod_security::{Check, Level, Version, violations};
use oracle::rbac::allows;
use proptest::prelude::*;

/// The attempts that reach their destination.
fn reached(world: World) -> BTreeSet<Probe> {
    let probes = network::probes(&world);
    let network = Network::new(world).unwrap();
    probes
        .into_iter()
        .filter(|probe| network.decide(probe).unwrap().reached())
        .collect()
}

fn with(policies: Vec<k8s_openapi::api::networking::v1::NetworkPolicy>) -> World {
    World {
        policies,
        ..network::cast(2)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn the_order_of_policies_does_not_matter(policies in network::policies(&network::cast(2))) {
        let reversed = policies.iter().rev().cloned().collect();
        prop_assert_eq!(reached(with(policies)), reached(with(reversed)));
    }

    #[test]
    fn a_rule_less_never_lets_more_through(policies in network::policies(&network::cast(2))) {
        let before = reached(with(policies.clone()));
        for at in 0..policies.len() {
            let mut fewer = policies.clone();
            let spec = fewer[at].spec.as_mut().unwrap();
            // The directions stay, so that fewer rules do not isolate less.
            if spec.policy_types.is_none() && spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()) {
                spec.policy_types = Some(vec!["Ingress".into(), "Egress".into()]);
            }
            spec.ingress.iter_mut().for_each(|rules| drop(rules.pop()));
            spec.egress.iter_mut().for_each(|rules| drop(rules.pop()));
            prop_assert!(reached(with(fewer)).is_subset(&before));
        }
    }

    #[test]
    fn what_a_policy_does_not_select_it_does_not_touch(policies in network::policies(&network::cast(2))) {
        let policies: Vec<_> = policies.into_iter().filter(|policy| policy.metadata.namespace.as_deref() == Some("one")).collect();
        let all = network::probes(&network::cast(2));
        let open = reached(with(policies));
        let elsewhere = |end: &oracle::network::End| !end.to_string().starts_with("one/");
        for probe in all.iter().filter(|probe| elsewhere(&probe.from) && elsewhere(&probe.to)) {
            prop_assert!(open.contains(probe), "{}", probe);
        }
    }

    #[test]
    fn what_restricted_allows_baseline_allows(pod in pod_security::pod(), version in pod_security::version()) {
        let of = |level| violations(&pod, level, version, 36);
        prop_assert_eq!(of(Level::Privileged), Vec::new());
        prop_assert!(!of(Level::Restricted).is_empty() || of(Level::Baseline).is_empty());
    }

    #[test]
    fn violations_come_in_the_order_of_the_checks_and_once(pod in pod_security::pod(), version in pod_security::version()) {
        let found = violations(&pod, Level::Restricted, version, 36);
        let places: Vec<_> = found.iter().map(|check| Check::ALL.iter().position(|other| other == check)).collect();
        prop_assert!(places.is_sorted_by(|one, other| one < other));
        let newest = violations(&pod, Level::Restricted, Version::Minor(36), 36);
        prop_assert_eq!(violations(&pod, Level::Restricted, Version::Latest, 36), newest);
    }

    #[test]
    fn a_binding_less_never_allows_more(case in rbac::case(20)) {
        let mut fewer = case.world.clone();
        fewer.role_bindings.pop();
        fewer.cluster_role_bindings.pop();
        for (user, request) in &case.asked {
            let (less, all) = (allows(&fewer, user, request).unwrap(), allows(&case.world, user, request).unwrap());
            prop_assert!(less.is_none() || all.is_some(), "{} asks for {}", user, request);
        }
    }
}
