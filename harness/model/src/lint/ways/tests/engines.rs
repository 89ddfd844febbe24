//! Ways round an engine as a whole: one scenario of a library tries each.

use super::*;

/// A scenario that Kyverno holds, with more steps before its last.
fn held_by_kyverno(leaves_out: &str, steps: &str) -> String {
    format!(
        "scenario: v2\nwhy: Because.\ninstall: [kyverno]\nworlds: {{bare: {{}}, kyverno: {{apply: [kyverno.yaml]}}}}\n{leaves_out}steps:\n\
         - {{id: one, do: {{create: pod.yaml}}, expect-in: {{bare: admitted, kyverno: {{denied: {{by: {{kyverno: $(namespace)-plain}}}}}}}}}}\n\
         {steps}- {{id: last, do: {{create: pod.yaml}}, expect: admitted}}\n"
    )
}

/// The ways that no scenario of these tries, by what is said of the first.
fn untried_of_engine(scenarios: &[&str]) -> Vec<String> {
    let names: Vec<String> = (0..scenarios.len())
        .map(|at| format!("admission/s{at}"))
        .collect();
    let named: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip(scenarios.iter().copied())
        .collect();
    let library = library(&named);
    let found = lint_family(&library.scenarios[0], &library);
    found
        .iter()
        .filter_map(|finding| finding.what.split("no scenario tries `").nth(1))
        .filter_map(|rest| rest.split('`').next())
        .map(str::to_owned)
        .collect()
}

const NODE_MEMBER: &str = "- {id: two, as: {user: {name: jane, groups: ['system:nodes']}}, do: {create: pod.yaml}, expect: admitted}\n";
const SCALED_AWAY: &str = "- {id: away, namespace: kyverno, do: {scale: {target: deployment/kyverno-admission-controller, replicas: 0}}, expect: admitted}\n";

#[test]
fn a_way_round_an_engine_is_named_until_some_scenario_tries_it() {
    let plain = held_by_kyverno("", "");
    assert_eq!(
        untried_of_engine(&[&plain]),
        ["engine-away", "excluded-group"]
    );
    let member = held_by_kyverno("", NODE_MEMBER);
    let away = held_by_kyverno("", SCALED_AWAY);
    assert_eq!(untried_of_engine(&[&plain, &member]), ["engine-away"]);
    assert_eq!(untried_of_engine(&[&plain, &away]), ["excluded-group"]);
    assert_eq!(untried_of_engine(&[&plain, &away, &member]), [""; 0]);
    // By itself a scenario is not told of them.
    assert!(
        !said(&plain)
            .iter()
            .any(|what| what.contains("excluded-group"))
    );
}

#[test]
fn what_a_scenario_leaves_out_of_an_engine_it_is_not_told() {
    let out = "leaves-out: {engine-away: nobody may, excluded-group: nobody is}\n";
    assert_eq!(untried_of_engine(&[&held_by_kyverno(out, "")]), [""; 0]);
}

#[test]
fn an_engine_is_away_only_if_it_is_its_own_pods_and_somebody_asks_then() {
    let of_another = SCALED_AWAY.replace("namespace: kyverno", "namespace: $(namespace)");
    let of_a_map = SCALED_AWAY.replace(
        "scale: {target: deployment/kyverno-admission-controller, replicas: 0}",
        "delete: configmap/kyverno",
    );
    let to_three = SCALED_AWAY.replace("replicas: 0", "replicas: 3");
    let refused = SCALED_AWAY.replace("expect: admitted", "expect: forbidden");
    let labelled = SCALED_AWAY.replace(
        "scale: {target: deployment/kyverno-admission-controller, replicas: 0}",
        "label: {target: deployment/kyverno-admission-controller, set: {a: b}}",
    );
    let patched = SCALED_AWAY.replace(
        "scale: {target: deployment/kyverno-admission-controller, replicas: 0}",
        "patch: {target: deployment/kyverno-admission-controller, with: role.yaml}",
    );
    for steps in [of_another, of_a_map, to_three, refused, labelled, patched] {
        let untried = untried_of_engine(&[&held_by_kyverno("", &steps)]);
        assert!(untried.contains(&"engine-away".to_owned()), "{steps}");
    }
    let nobody_asks = held_by_kyverno("", SCALED_AWAY).replace(
        "{id: last, do: {create: pod.yaml}, expect: admitted}",
        "{id: last, do: {path: /version}, expect: allowed}",
    );
    let untried = untried_of_engine(&[&nobody_asks]);
    assert!(untried.contains(&"engine-away".to_owned()));
}
