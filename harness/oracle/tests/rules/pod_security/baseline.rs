//! The checks of the level `baseline`.

use super::*;

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
