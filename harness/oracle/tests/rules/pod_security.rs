//! The Pod Security checks, one by one: what each forbids, what it lets through, and from which
//! release on.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

mod baseline;
mod restricted;

use k8s_openapi::api::core::v1::Pod;
use oracle::pod_security::{ReleaseVersion, SecurityCheck, SecurityLevel, find_violations};
use serde_json::{Map, Value, json};

/// The newest release that is asked for here.
const SERVER: u32 = 37;

/// A pod that restricted allows, with more in its spec.
fn good(more: Value) -> Pod {
    let context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let mut spec = json!({"containers": [{"name": "a", "securityContext": context}],
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}});
    merge(&mut spec, &more);
    serde_json::from_value(json!({"metadata": {"name": "x"}, "spec": spec})).unwrap()
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.iter().for_each(|(key, value)| {
                merge(into.entry(key.clone()).or_insert(Value::Null), value)
            });
        }
        (Value::Array(into), Value::Array(from)) if into.len() == from.len() => {
            into.iter_mut()
                .zip(from)
                .for_each(|(into, from)| merge(into, from));
        }
        (into, from) => *into = from.clone(),
    }
}

/// With this in its only container.
fn container(more: Value) -> Pod {
    good(json!({"containers": [more]}))
}

/// With this in its only container's security context.
fn context(more: Value) -> Pod {
    container(json!({"securityContext": more}))
}

/// With this in the pod's security context.
fn of_pod(more: Value) -> Pod {
    good(json!({"securityContext": more}))
}

fn annotated(key: &str, value: &str) -> Pod {
    let mut pod = good(json!({}));
    pod.metadata.annotations = Some([(key.to_owned(), value.to_owned())].into());
    pod
}

fn at(pod: &Pod, level: SecurityLevel, minor: u32) -> Vec<SecurityCheck> {
    find_violations(pod, level, ReleaseVersion::Minor(minor), SERVER)
}

/// The releases, of 1.0 to 1.37, whose checks this pod violates at this level; as first and last,
/// and nothing else.
fn releases(pod: &Pod, level: SecurityLevel, check: SecurityCheck) -> Option<(u32, u32)> {
    let found: Vec<u32> = (0..=SERVER)
        .filter(|minor| at(pod, level, *minor).contains(&check))
        .collect();
    for minor in 0..=SERVER {
        let others: Vec<_> = at(pod, level, minor)
            .into_iter()
            .filter(|other| *other != check)
            .collect();
        assert_eq!(others, [], "at 1.{minor}");
    }
    let (first, last) = (*found.first()?, *found.last()?);
    assert_eq!(found, (first..=last).collect::<Vec<_>>(), "without gaps");
    Some((first, last))
}

fn expect(check: SecurityCheck, level: SecurityLevel, cases: &[(Pod, Option<(u32, u32)>)]) {
    for (pod, expected) in cases {
        let spec = serde_json::to_string(pod).unwrap();
        assert_eq!(
            releases(pod, level, check),
            *expected,
            "{check:?} {level}: {spec}"
        );
    }
}

const ALWAYS: Option<(u32, u32)> = Some((0, SERVER));

#[test]
fn a_good_pod_is_allowed_everywhere_and_a_plain_one_fails_in_four_ways() {
    for minor in 0..=SERVER {
        assert_eq!(at(&good(json!({})), SecurityLevel::Restricted, minor), []);
    }
    let plain: Pod =
        serde_json::from_value(json!({"metadata": {}, "spec": {"containers": [{"name": "a"}]}}))
            .unwrap();
    let four = [
        SecurityCheck::PrivilegeEscalation,
        SecurityCheck::CapabilitiesRestricted,
        SecurityCheck::RunAsNonRoot,
        SecurityCheck::SeccompRestricted,
    ];
    assert_eq!(
        find_violations(
            &plain,
            SecurityLevel::Restricted,
            ReleaseVersion::Latest,
            SERVER
        ),
        four
    );
    assert_eq!(
        find_violations(
            &plain,
            SecurityLevel::Baseline,
            ReleaseVersion::Latest,
            SERVER
        ),
        []
    );
    let privileged = context(json!({"privileged": true, "capabilities": {"add": ["SYS_ADMIN"]}}));
    assert_eq!(
        find_violations(
            &privileged,
            SecurityLevel::Privileged,
            ReleaseVersion::Latest,
            SERVER
        ),
        []
    );
}

#[test]
fn a_version_that_is_newer_than_the_server_is_its_newest() {
    let probe = container(json!({"livenessProbe": {"tcpSocket": {"host": "h", "port": 1}}}));
    for (version, server, found) in [
        (ReleaseVersion::Latest, 33, 0),
        (ReleaseVersion::Minor(99), 33, 0),
        (ReleaseVersion::Minor(99), 34, 1),
    ] {
        assert_eq!(
            find_violations(&probe, SecurityLevel::Baseline, version, server).len(),
            found,
            "{version} on 1.{server}"
        );
    }
}
