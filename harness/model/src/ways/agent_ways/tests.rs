use std::collections::BTreeSet;

use crate::ways::test_scenario::{assert_each_tries_its_own, untried_ways};

fn pod(name: &str, arguments: &str, volumes: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: a, args: [{arguments}]}}], volumes: [{volumes}]}}}}"
    )
}

const REACHED: &str = "{id: agent, do: {check-agent: {pod: agent, managers: [manager]}}, expect-in: {bare: {blocked: {at: enrol}}, guarded: reached}}";
const HOST: &str = "{name: keys, hostPath: {path: /var/lib/agent}}";
const KEYS: &str = "{name: keys, secret: {secretName: keys}}";

/// What is missed where a manager and an agent of these arguments stand, with these files beside.
fn missed(
    manager: &str,
    agent: &str,
    volumes: &str,
    beside: &[&str],
    steps: &[&str],
) -> BTreeSet<String> {
    let (manager, agent) = (pod("manager", manager, ""), pod("agent", agent, volumes));
    let others = [
        ("keyed.yaml", pod("keyed", "agent, --enrol, 'no'", "")),
        (
            "intruder.yaml",
            pod(
                "intruder",
                "agent, --name, intruder, --password-file, /p, --authority, ours",
                "",
            ),
        ),
        (
            "impostor.yaml",
            pod("impostor", "manager, --authority, impostor", ""),
        ),
        ("forger.yaml", pod("forger", "pause", KEYS)),
        ("spy.yaml", pod("spy", "pause", HOST)),
    ];
    let mut files = vec![
        ("manager.yaml", manager.as_str()),
        ("agent.yaml", agent.as_str()),
    ];
    files.extend(others.iter().map(|(name, text)| (*name, text.as_str())));
    let applied = [&["manager.yaml", "agent.yaml"][..], beside]
        .concat()
        .join(", ");
    let head = format!("install: [dns]\nworlds: {{bare: {{}}, guarded: {{apply: [{applied}]}}}}");
    untried_ways(&head, &[&[REACHED][..], steps].concat(), &files)
}

const PASSWORD: &str = "manager, --password-file, /p";
const AGENT: &str = "agent, --name, a, --password-file, /p";

#[test]
fn each_way_round_a_password_is_tried_by_its_own_pods() {
    let tries = |beside: &[&str], steps: &[&str]| missed(PASSWORD, AGENT, HOST, beside, steps);
    let forge = |what: &str| {
        format!(
            "{{id: forge, do: {{exec: {{pod: forger, command: [/probe, agent-forge, {what}]}}}}, expect: allowed}}"
        )
    };
    let (ping, replay) = (forge("ping"), forge("replay"));
    // A file is named here, a step by its braces.
    let missed = |all: &[&str]| {
        let (steps, beside): (Vec<&str>, Vec<&str>) =
            all.iter().copied().partition(|one| one.starts_with('{'));
        tries(&beside, &steps)
    };
    assert_each_tries_its_own(
        &missed,
        &[
            ("key-without-enrolment", &["keyed.yaml"]),
            ("shared-password", &["intruder.yaml"]),
            ("password-for-an-impostor", &["impostor.yaml"]),
            ("stolen-key", &["forger.yaml", &ping]),
            ("message-sent-again", &[&replay]),
            ("key-on-the-node", &["spy.yaml"]),
        ],
    );
    assert!(missed(&[&ping]).contains("stolen-key"));
}

#[test]
fn a_guard_closes_the_way_that_it_is_for() {
    let of = |manager: &str, agent: &str| missed(manager, agent, "", &[], &[]);
    let counted = of(
        "manager, --verify-msg-id, 'yes', --worker-pool, '1'",
        "agent",
    );
    assert_eq!(counted, BTreeSet::from(["stolen-key".to_owned()]));
    let alone = of("manager, --verify-msg-id, 'yes'", "agent");
    assert!(alone.contains("message-sent-again"));
    let bound = of(
        PASSWORD,
        "agent, --enrol-ip, src, --password-file, /p, --authority, ours",
    );
    assert!(!bound.contains("stolen-key") && !bound.contains("password-for-an-impostor"));
    let certified = of("manager, --agent-authority, ours", "agent");
    assert!(certified.contains("key-without-enrolment") && !certified.contains("shared-password"));
    // An agent that looks at its manager keeps no agent out.
    assert_eq!(of("manager", "agent, --authority, ours"), BTreeSet::new());
    assert_eq!(of("manager", "agent"), BTreeSet::new());
}
