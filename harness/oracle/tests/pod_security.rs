//! The Pod Security checks, one by one: what each forbids, what it lets through, and from which
//! release on.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

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

#[test]
fn app_armor() {
    let profile = |kind: &str| json!({"appArmorProfile": {"type": kind}});
    let key = "container.apparmor.security.beta.kubernetes.io/a";
    expect(
        SecurityCheck::AppArmor,
        SecurityLevel::Baseline,
        &[
            (of_pod(profile("Unconfined")), ALWAYS),
            (context(profile("Unconfined")), ALWAYS),
            (context(profile("Localhost")), None),
            (of_pod(profile("RuntimeDefault")), None),
            (annotated(key, "unconfined"), ALWAYS),
            (annotated(key, "runtime/default"), None),
            (annotated(key, "localhost/x"), None),
            (annotated(key, ""), None),
            (annotated("example.org/a", "unconfined"), None),
        ],
    );
}

#[test]
fn capabilities() {
    let sets =
        |add: &[&str], drop: &[&str]| context(json!({"capabilities": {"add": add, "drop": drop}}));
    let all = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    expect(
        SecurityCheck::CapabilitiesBaseline,
        SecurityLevel::Baseline,
        &[
            (sets(&all, &["ALL"]), None),
            (sets(&["NET_RAW"], &["ALL"]), ALWAYS),
            (sets(&["chown"], &["ALL"]), ALWAYS),
        ],
    );
    // Baseline's until restricted has its own.
    expect(
        SecurityCheck::CapabilitiesBaseline,
        SecurityLevel::Restricted,
        &[(good(json!({})), None)],
    );
    assert_eq!(
        at(&sets(&["NET_RAW"], &["ALL"]), SecurityLevel::Restricted, 21),
        [SecurityCheck::CapabilitiesBaseline]
    );
    assert_eq!(
        at(&sets(&["NET_RAW"], &["ALL"]), SecurityLevel::Restricted, 22),
        [SecurityCheck::CapabilitiesRestricted]
    );
    expect(
        SecurityCheck::CapabilitiesRestricted,
        SecurityLevel::Restricted,
        &[
            (sets(&["NET_BIND_SERVICE"], &["CHOWN", "ALL"]), None),
            (sets(&["CHOWN"], &["ALL"]), Some((22, SERVER))),
            (sets(&[], &["all"]), Some((22, SERVER))),
            (sets(&[], &[]), Some((22, SERVER))),
            (context(json!({"capabilities": null})), Some((22, SERVER))),
        ],
    );
}

#[test]
fn what_is_the_hosts() {
    expect(
        SecurityCheck::HostNamespaces,
        SecurityLevel::Baseline,
        &[
            (good(json!({"hostNetwork": true})), ALWAYS),
            (good(json!({"hostPID": true})), ALWAYS),
            (good(json!({"hostIPC": true})), ALWAYS),
            (
                good(json!({"hostNetwork": false, "hostPID": false, "hostIPC": false})),
                None,
            ),
        ],
    );
    let port =
        |number: Value| container(json!({"ports": [{"containerPort": 80, "hostPort": number}]}));
    expect(
        SecurityCheck::HostPorts,
        SecurityLevel::Baseline,
        &[
            (port(json!(80)), ALWAYS),
            (port(json!(0)), None),
            (port(Value::Null), None),
        ],
    );
    let on_host =
        good(json!({"hostNetwork": true, "containers": [{"ports": [{"containerPort": 80}]}]}));
    assert_eq!(
        at(&on_host, SecurityLevel::Baseline, 36),
        [SecurityCheck::HostNamespaces, SecurityCheck::HostPorts]
    );
    let first = good(
        json!({"initContainers": [{"name": "i", "ports": [{"containerPort": 1, "hostPort": 1}]}]}),
    );
    assert_eq!(
        at(&first, SecurityLevel::Baseline, 36),
        [SecurityCheck::HostPorts]
    );
}

#[test]
fn hosts_of_probes() {
    let since = Some((34, SERVER));
    let http = |host: &str| json!({"httpGet": {"host": host, "port": 1}});
    let tcp = |host: &str| json!({"tcpSocket": {"host": host, "port": 1}});
    let mut cases = vec![
        (container(json!({"livenessProbe": http("")})), None),
        (
            container(json!({"livenessProbe": {"httpGet": {"port": 1}}})),
            None,
        ),
        (
            container(json!({"lifecycle": {"preStop": {"exec": {"command": ["x"]}}}})),
            None,
        ),
    ];
    for place in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let at =
            |probe: Value| container(Value::Object(Map::from_iter([(place.to_owned(), probe)])));
        cases.extend([(at(http("h")), since), (at(tcp("h")), since)]);
    }
    for place in ["postStart", "preStop"] {
        let at = |handler: Value| {
            container(json!({"lifecycle": Map::from_iter([(place.to_owned(), handler)])}))
        };
        cases.extend([(at(http("h")), since), (at(tcp("h")), since)]);
    }
    expect(SecurityCheck::ProbeHosts, SecurityLevel::Baseline, &cases);
}

#[test]
fn privileged() {
    expect(
        SecurityCheck::Privileged,
        SecurityLevel::Baseline,
        &[
            (context(json!({"privileged": true})), ALWAYS),
            (context(json!({"privileged": false})), None),
            (
                good(
                    json!({"ephemeralContainers": [{"name": "e", "securityContext": {"privileged": true}}]}),
                ),
                ALWAYS,
            ),
            (
                good(
                    json!({"initContainers": [{"name": "i", "securityContext": {"privileged": true}}]}),
                ),
                ALWAYS,
            ),
        ],
    );
}

#[test]
fn proc_mount_is_relaxed_in_a_user_namespace() {
    let mount = |kind: &str, users: Value| {
        good(json!({"hostUsers": users, "containers": [{"securityContext": {"procMount": kind}}]}))
    };
    expect(
        SecurityCheck::ProcMountBaseline,
        SecurityLevel::Baseline,
        &[
            (mount("Unmasked", Value::Null), ALWAYS),
            (mount("Unmasked", json!(true)), ALWAYS),
            (mount("Unmasked", json!(false)), Some((0, 34))),
            (mount("Default", Value::Null), None),
        ],
    );
    let unmasked = mount("Unmasked", json!(false));
    assert_eq!(
        at(&unmasked, SecurityLevel::Restricted, 34),
        [SecurityCheck::ProcMountBaseline]
    );
    assert_eq!(
        at(&unmasked, SecurityLevel::Restricted, 35),
        [SecurityCheck::ProcMountRestricted]
    );
    assert_eq!(
        at(
            &mount("Unmasked", Value::Null),
            SecurityLevel::Restricted,
            35
        ),
        [SecurityCheck::ProcMountRestricted]
    );
}

#[test]
fn selinux() {
    let options = |options: Value| json!({"seLinuxOptions": options});
    let mut cases = vec![
        (of_pod(options(json!({"type": "spc_t"}))), ALWAYS),
        (context(options(json!({"type": "spc_t"}))), ALWAYS),
        (
            context(options(json!({"type": "container_engine_t"}))),
            Some((0, 30)),
        ),
        (context(options(json!({"user": "u"}))), ALWAYS),
        (of_pod(options(json!({"role": "r"}))), ALWAYS),
        (
            context(options(
                json!({"level": "s0", "user": "", "role": "", "type": ""}),
            )),
            None,
        ),
    ];
    for kind in ["container_t", "container_init_t", "container_kvm_t"] {
        cases.push((context(options(json!({"type": kind}))), None));
    }
    expect(SecurityCheck::SeLinux, SecurityLevel::Baseline, &cases);
}

#[test]
fn seccomp() {
    let profile = |kind: &str| json!({"seccompProfile": {"type": kind}});
    let (of_pod_key, of_container) = (
        "seccomp.security.alpha.kubernetes.io/pod",
        "container.seccomp.security.alpha.kubernetes.io/",
    );
    let fields = Some((19, SERVER));
    expect(
        SecurityCheck::SeccompBaseline,
        SecurityLevel::Baseline,
        &[
            (of_pod(profile("Unconfined")), fields),
            (context(profile("Unconfined")), fields),
            (context(profile("Localhost")), None),
            (of_pod(json!({"seccompProfile": null})), None),
            (annotated(of_pod_key, "unconfined"), Some((0, 18))),
            (annotated(of_pod_key, "docker/default"), None),
            (annotated(of_pod_key, "runtime/default"), None),
            (annotated(of_pod_key, "localhost/x"), None),
            (
                annotated(&format!("{of_container}a"), "unconfined"),
                Some((0, 18)),
            ),
            (
                annotated(&format!("{of_container}absent"), "unconfined"),
                None,
            ),
        ],
    );
    assert_eq!(
        at(
            &annotated(of_pod_key, "unconfined"),
            SecurityLevel::Restricted,
            18
        ),
        [SecurityCheck::SeccompBaseline]
    );
    expect(
        SecurityCheck::SeccompRestricted,
        SecurityLevel::Restricted,
        &[
            (of_pod(json!({"seccompProfile": null})), fields),
            (of_pod(profile("Unconfined")), fields),
            (context(profile("Unconfined")), fields),
            (
                good(
                    json!({"securityContext": {"seccompProfile": null}, "containers": [{"securityContext": profile("Localhost")}]}),
                ),
                None,
            ),
            // The pod's own word counts even where every container has another.
            (
                good(
                    json!({"securityContext": profile("Unconfined"), "containers": [{"securityContext": profile("Localhost")}]}),
                ),
                fields,
            ),
        ],
    );
}

#[test]
fn sysctls() {
    let set = |name: &str| of_pod(json!({"sysctls": [{"name": name, "value": "1"}]}));
    let lists = [
        (
            None,
            &[
                "kernel.shm_rmid_forced",
                "net.ipv4.ip_local_port_range",
                "net.ipv4.tcp_syncookies",
                "net.ipv4.ping_group_range",
                "net.ipv4.ip_unprivileged_port_start",
            ][..],
        ),
        (Some((0, 26)), &["net.ipv4.ip_local_reserved_ports"]),
        (
            Some((0, 28)),
            &[
                "net.ipv4.tcp_keepalive_time",
                "net.ipv4.tcp_fin_timeout",
                "net.ipv4.tcp_keepalive_intvl",
                "net.ipv4.tcp_keepalive_probes",
            ],
        ),
        (Some((0, 31)), &["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"]),
        (
            Some((0, 36)),
            &[
                "net.ipv4.tcp_slow_start_after_idle",
                "net.ipv4.tcp_notsent_lowat",
            ],
        ),
        (ALWAYS, &["kernel.msgmax", "net.core.somaxconn", ""]),
    ];
    for (expected, names) in lists {
        let cases: Vec<_> = names.iter().map(|name| (set(name), expected)).collect();
        expect(SecurityCheck::Sysctls, SecurityLevel::Baseline, &cases);
    }
}

#[test]
fn host_processes() {
    let options = |host_process: bool| json!({"windowsOptions": {"hostProcess": host_process}});
    expect(
        SecurityCheck::WindowsHostProcess,
        SecurityLevel::Baseline,
        &[
            (of_pod(options(true)), ALWAYS),
            (context(options(true)), ALWAYS),
            (context(options(false)), None),
        ],
    );
}

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
