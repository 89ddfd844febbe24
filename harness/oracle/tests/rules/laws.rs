//! What holds for every cluster of policies, every pod and every world of roles.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

use std::collections::BTreeSet;

use oracle::generate::{network, pod_security, rbac};
use oracle::network::{ConnectionProbe, NetworkRules, NetworkWorld};
use oracle::pod_security::{ReleaseVersion, SecurityCheck, SecurityLevel, find_violations};
use oracle::rbac::find_grant;
use proptest::prelude::*;

/// The attempts that reach their destination.
fn reached(world: NetworkWorld) -> BTreeSet<ConnectionProbe> {
    let probes = network::all_probes(&world);
    let network = NetworkRules::new(world).unwrap();
    probes
        .into_iter()
        .filter(|probe| network.decide(probe).unwrap().reached())
        .collect()
}

fn with(policies: Vec<k8s_openapi::api::networking::v1::NetworkPolicy>) -> NetworkWorld {
    NetworkWorld {
        policies,
        ..network::pod_cast(2)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn the_order_of_policies_does_not_matter(policies in network::policy_set(&network::pod_cast(2))) {
        let reversed = policies.iter().rev().cloned().collect();
        prop_assert_eq!(reached(with(policies)), reached(with(reversed)));
    }

    #[test]
    fn a_rule_less_never_lets_more_through(policies in network::policy_set(&network::pod_cast(2))) {
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
    fn what_a_policy_does_not_select_it_does_not_touch(policies in network::policy_set(&network::pod_cast(2))) {
        let policies: Vec<_> = policies.into_iter().filter(|policy| policy.metadata.namespace.as_deref() == Some("one")).collect();
        let all = network::all_probes(&network::pod_cast(2));
        let open = reached(with(policies));
        let elsewhere = |end: &oracle::network::ConnectionEnd| !end.to_string().starts_with("one/");
        for probe in all.iter().filter(|probe| elsewhere(&probe.from) && elsewhere(&probe.to)) {
            prop_assert!(open.contains(probe), "{}", probe);
        }
    }

    #[test]
    fn what_restricted_allows_baseline_allows(pod in pod_security::any_pod(), version in pod_security::any_version()) {
        let of = |level| find_violations(&pod, level, version, 36);
        prop_assert_eq!(of(SecurityLevel::Privileged), Vec::new());
        prop_assert!(!of(SecurityLevel::Restricted).is_empty() || of(SecurityLevel::Baseline).is_empty());
    }

    #[test]
    fn violations_come_in_the_order_of_the_checks_and_once(pod in pod_security::any_pod(), version in pod_security::any_version()) {
        let found = find_violations(&pod, SecurityLevel::Restricted, version, 36);
        let places: Vec<_> = found.iter().map(|check| SecurityCheck::ALL.iter().position(|other| other == check)).collect();
        prop_assert!(places.is_sorted_by(|one, other| one < other));
        let newest = find_violations(&pod, SecurityLevel::Restricted, ReleaseVersion::Minor(36), 36);
        prop_assert_eq!(find_violations(&pod, SecurityLevel::Restricted, ReleaseVersion::Latest, 36), newest);
    }

    #[test]
    fn a_binding_less_never_allows_more(case in rbac::rbac_case(20)) {
        let mut fewer = case.world.clone();
        fewer.role_bindings.pop();
        fewer.cluster_role_bindings.pop();
        for (user, request) in &case.asked {
            let (less, all) = (find_grant(&fewer, user, request).unwrap(), find_grant(&case.world, user, request).unwrap());
            prop_assert!(less.is_none() || all.is_some(), "{} asks for {}", user, request);
        }
    }
}
