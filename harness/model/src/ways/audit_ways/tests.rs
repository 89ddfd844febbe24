use std::collections::BTreeSet;

use crate::ways::test_scenario::untried_ways;

const HEAD: &str = "worlds:
  bare: {cluster: {nodes: 0, audit: none}}
  policy: {cluster: {nodes: 0, audit: {policy: policy.yaml}}}";
const MADE: &str = "{id: made, do: {create: one.yaml}, expect: admitted}";
const RECORDED: &str = "{id: recorded, do: {look-for: {audit: {verb: create, resource: configmaps}}}, expect-in: {bare: absent, policy: found}}";
const ONE: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}";
const EVENT: &str = "{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: one}}";

fn missed_with(head: &str, rules: &str, steps: &[&str]) -> BTreeSet<String> {
    let policy = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: {rules}\n");
    let steps = [&[MADE, RECORDED][..], steps].concat();
    let mut files = vec![("policy.yaml", policy.as_str()), ("one.yaml", ONE)];
    if steps.iter().any(|step| step.contains("event.yaml")) {
        files.push(("event.yaml", EVENT));
    }
    untried_ways(head, &steps, &files)
}

fn missed(rules: &str, steps: &[&str]) -> Vec<String> {
    let mut found = missed_with(HEAD, rules, steps);
    found.remove("log-away");
    found.into_iter().collect()
}

fn look(matches: &str) -> String {
    format!("{{id: look, do: {{look-for: {{audit: {{{matches}}}}}}}, expect: absent}}")
}

/// With these rules the ways are open, and one look closes each of those that are named last.
fn assert_closed_by(rules: &str, open: &[&str], matches: &str, closed: &[&str]) {
    assert_eq!(missed(rules, &[]), open, "{rules}");
    let left: Vec<&&str> = open.iter().filter(|way| !closed.contains(way)).collect();
    assert_eq!(
        missed(rules, &[&look(matches)]).iter().collect::<Vec<_>>(),
        left,
        "{matches}"
    );
}

#[test]
fn a_rule_for_everything_leaves_the_log_alone() {
    assert_eq!(missed("[{level: Metadata}]", &[]), [""; 0]);
    let log_away = BTreeSet::from(["log-away".to_owned()]);
    assert_eq!(missed_with(HEAD, "[{level: Metadata}]", &[]), log_away);
    let beside = format!(
        "{HEAD}\n  away: {{cluster: {{nodes: 0, audit: {{policy-without-log: policy.yaml}}}}, ineffective: true}}"
    );
    let recorded = "{id: again, do: {look-for: {audit: {verb: create, resource: configmaps}}}, expect-in: {bare: absent, policy: found, away: absent}}";
    assert_eq!(
        missed_with(&beside, "[{level: Metadata}]", &[recorded]),
        BTreeSet::new()
    );
}

#[test]
fn the_first_rule_shadows_those_behind_it() {
    let named = "{level: Metadata, resources: [{group: '', resources: [secrets]}]}";
    let noise = "{level: None, verbs: [get]}";
    let shadowed = format!("[{noise}, {named}, {{level: Metadata}}]");
    let open = ["shadowed-rule", "unrecorded-verb"];
    assert_closed_by(&shadowed, &open, "verb: get, resource: secrets", &open);
    assert_closed_by(&shadowed, &open, "verb: create, resource: secrets", &[]);
    let in_order = format!("[{named}, {noise}, {{level: Metadata}}]");
    // Reads of everything else are lost all the same.
    assert_eq!(missed(&in_order, &[]), open[1..]);
}

#[test]
fn a_subresource_is_a_resource_of_its_own() {
    let rules = |pods: &str| {
        format!("[{{level: Metadata, resources: [{{group: '', resources: {pods}}}]}}]")
    };
    let open = ["unnamed-resource", "unrecorded-subresource"];
    let plain = rules("[pods, configmaps]");
    assert_closed_by(
        &plain,
        &open,
        "resource: pods, subresource: exec",
        &open[1..],
    );
    assert_closed_by(&plain, &open, "resource: pods", &[]);
    assert_closed_by(&plain, &open, "resource: widgets", &open[..1]);
    assert_eq!(missed(&rules("['pods/*', 'configmaps/*']"), &[]), open[..1]);
}

#[test]
fn a_rule_by_names_is_for_no_other_object() {
    let rules = "[{level: None, verbs: [get], resources: [{group: '', resources: [secrets], resourceNames: [noise]}]},
      {level: Metadata, resources: [{group: '', resources: [secrets]}]}, {level: Metadata}]";
    assert_eq!(missed(rules, &[]), [""; 0]);
}

#[test]
fn a_stage_that_is_left_out_is_tried_by_such_a_request() {
    let rules = |stage: &str| {
        format!(
            "[{{level: Metadata, omitStages: [{stage}], resources: [{{group: '', resources: [secrets]}}]}}, {{level: Metadata}}]"
        )
    };
    let open = ["omitted-stage"];
    let whole = rules("ResponseComplete");
    assert_closed_by(&whole, &open, "verb: get, resource: secrets", &open);
    assert_closed_by(&whole, &open, "verb: get, resource: pods", &[]);
    assert_eq!(missed(&rules("RequestReceived"), &[]), [""; 0]);
}

#[test]
fn a_user_who_is_left_out_asks() {
    let rules =
        "[{level: None, userGroups: ['system:serviceaccounts'], verbs: [get]}, {level: Metadata}]";
    let open = ["unrecorded-user"];
    let robot = "verb: get, user: 'system:serviceaccount:shop:robot'";
    assert_closed_by(rules, &open, robot, &open);
    assert_closed_by(rules, &open, "verb: get, user: jane", &[]);
    let by_name = "[{level: None, users: [jane]}, {level: Metadata}]";
    assert_closed_by(by_name, &open, "verb: get, user: jane", &open);
    let of_some = "[{level: Metadata, users: [jane]}]";
    let others = ["unknown-user", "unnamed-resource", "unrecorded-user"];
    assert_closed_by(of_some, &others, "verb: get, user: joe", &others[2..]);
}

#[test]
fn refused_credentials_have_no_user() {
    let rules = "[{level: Metadata, userGroups: ['system:authenticated']}]";
    let open = ["unknown-user"];
    assert_closed_by(rules, &open, "verb: get, code: 401", &open);
    assert_closed_by(rules, &open, "verb: get, code: 403", &[]);
}

#[test]
fn events_are_served_in_two_groups() {
    let rules = |groups: &[&str]| {
        let entries: Vec<String> = groups
            .iter()
            .map(|group| format!("{{group: '{group}', resources: [events, 'events/*']}}"))
            .collect();
        format!(
            "[{{level: Metadata, resources: [{}]}}, {{level: None, resources: [{{group: ''}}, {{group: events.k8s.io}}]}}, {{level: Metadata}}]",
            entries.join(", ")
        )
    };
    let of =
        |rules: &str, steps: &[&str]| missed(rules, steps).contains(&"other-api-group".to_owned());
    let one = rules(&[""]);
    assert!(of(&one, &[]));
    assert!(!of(&rules(&["", "events.k8s.io"]), &[]));
    assert!(!of(&rules(&["*"]), &[]));
    let looks = look("verb: create, resource: events");
    assert!(of(&one, &[&looks]));
    let makes = "{id: event, do: {create: event.yaml}, expect: admitted}";
    assert!(of(&one, &[makes]));
    assert!(!of(&one, &[makes, &looks]));
}
