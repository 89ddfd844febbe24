//! The checks of the level `restricted`.

use super::*;

#[test]
fn privilege_escalation() {
    let since = Some((8, SERVER));
    expect(
        SecurityCheck::PrivilegeEscalation,
        SecurityLevel::Restricted,
        &[
            (context(json!({"allowPrivilegeEscalation": true})), since),
            (context(json!({"allowPrivilegeEscalation": null})), since),
        ],
    );
}

#[test]
fn windows_is_spared_what_it_does_not_have() {
    let windows: Pod =
        serde_json::from_value(json!({"metadata": {}, "spec": {"os": {"name": "windows"},
        "containers": [{"name": "a"}], "securityContext": {"runAsNonRoot": true}}}))
        .unwrap();
    assert_eq!(at(&windows, SecurityLevel::Restricted, 25), []);
    let three = [
        SecurityCheck::PrivilegeEscalation,
        SecurityCheck::CapabilitiesRestricted,
        SecurityCheck::SeccompRestricted,
    ];
    assert_eq!(at(&windows, SecurityLevel::Restricted, 24), three);
    let linux = good(json!({"os": {"name": "linux"}, "securityContext": {"seccompProfile": null}}));
    assert_eq!(
        at(&linux, SecurityLevel::Restricted, 25),
        [SecurityCheck::SeccompRestricted]
    );
}

#[test]
fn volumes() {
    let volume = |kind: &str| {
        good(json!({"volumes": [Map::from_iter([
        ("name".to_owned(), json!("v")), (kind.to_owned(), example(kind))])]}))
    };
    expect(
        SecurityCheck::HostPathVolumes,
        SecurityLevel::Baseline,
        &[(volume("hostPath"), ALWAYS), (volume("nfs"), None)],
    );
    let allowed = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    let mut cases: Vec<_> = allowed
        .into_iter()
        .map(|kind| (volume(kind), None))
        .collect();
    cases.extend(["hostPath", "nfs", "iscsi", "fc", "gitRepo"].map(|kind| (volume(kind), ALWAYS)));
    cases.push((good(json!({"volumes": [{"name": "v"}]})), None));
    expect(
        SecurityCheck::RestrictedVolumes,
        SecurityLevel::Restricted,
        &cases,
    );
}

fn example(kind: &str) -> Value {
    match kind {
        "csi" => json!({"driver": "d"}),
        "hostPath" => json!({"path": "/"}),
        "nfs" => json!({"server": "s", "path": "/"}),
        "iscsi" => json!({"targetPortal": "t", "iqn": "i", "lun": 0}),
        "gitRepo" => json!({"repository": "r"}),
        "persistentVolumeClaim" => json!({"claimName": "c"}),
        _ => json!({}),
    }
}

#[test]
fn run_as_non_root() {
    let both = |pod: Value, container: Value, users: Value| {
        good(json!({"hostUsers": users,
        "securityContext": {"runAsNonRoot": pod}, "containers": [{"securityContext": {"runAsNonRoot": container}}]}))
    };
    let none = Value::Null;
    expect(
        SecurityCheck::RunAsNonRoot,
        SecurityLevel::Restricted,
        &[
            (both(none.clone(), none.clone(), none.clone()), ALWAYS),
            (both(none.clone(), none.clone(), json!(true)), ALWAYS),
            (
                both(none.clone(), none.clone(), json!(false)),
                Some((0, 34)),
            ),
            (both(none.clone(), json!(true), none.clone()), None),
            (both(json!(true), json!(false), none.clone()), ALWAYS),
            (both(json!(false), json!(true), none.clone()), ALWAYS),
            (both(json!(true), none.clone(), none.clone()), None),
        ],
    );
}

#[test]
fn run_as_user() {
    let since = Some((23, SERVER));
    expect(
        SecurityCheck::RunAsUser,
        SecurityLevel::Restricted,
        &[
            (of_pod(json!({"runAsUser": 0})), since),
            (context(json!({"runAsUser": 0})), since),
            (of_pod(json!({"runAsUser": 1})), None),
            (
                good(json!({"hostUsers": false, "securityContext": {"runAsUser": 0}})),
                Some((23, 34)),
            ),
        ],
    );
}
