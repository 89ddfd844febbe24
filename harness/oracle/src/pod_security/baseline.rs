//! The checks of the baseline level. Each says whether the pod violates it.

use k8s_openapi::api::core::v1::{
    AppArmorProfile, HTTPGetAction, SELinuxOptions, SeccompProfile, TCPSocketAction,
};

use super::subject::{CheckedPod, ContainerPart};

/// What containerd gives a container anyway, and no more.
const ALLOWED_CAPABILITIES: [&str; 13] = [
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

/// The sysctls that belong to the pod alone, each with the release that said so.
const SAFE_SYSCTLS: [(&str, u32); 14] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
    ("net.ipv4.tcp_slow_start_after_idle", 37),
    ("net.ipv4.tcp_notsent_lowat", 37),
];

/// SELinux types of containers, each with the release that added it.
const SELINUX_TYPES: [(&str, u32); 5] = [
    ("", 0),
    ("container_t", 0),
    ("container_init_t", 0),
    ("container_kvm_t", 0),
    ("container_engine_t", 31),
];

/// Until this release, seccomp was a matter of annotations.
const SECCOMP_FIELDS_SINCE: u32 = 19;

const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

fn known_profile(list: &[(&str, u32)], name: &str, minor: u32) -> bool {
    list.iter()
        .any(|(known, since)| *known == name && *since <= minor)
}

pub(super) fn app_armor(pod: &CheckedPod<'_>) -> bool {
    let forbidden = |profile: &AppArmorProfile| {
        !matches!(profile.type_.as_str(), "RuntimeDefault" | "Localhost")
    };
    let of_pod = pod
        .context
        .and_then(|context| context.app_armor_profile.as_ref());
    let of_containers = pod
        .contexts()
        .filter_map(|context| context.app_armor_profile.as_ref());
    let annotated = |(key, value): (&String, &String)| {
        let allowed =
            matches!(value.as_str(), "" | "runtime/default") || value.starts_with("localhost/");
        key.starts_with(APP_ARMOR_ANNOTATION) && !allowed
    };
    of_pod.into_iter().chain(of_containers).any(forbidden)
        || pod.annotations.into_iter().flatten().any(annotated)
}

pub(super) fn check_capabilities(pod: &CheckedPod<'_>) -> bool {
    let added = pod
        .contexts()
        .filter_map(|context| context.capabilities.as_ref()?.add.as_ref())
        .flatten();
    added
        .into_iter()
        .any(|name| !ALLOWED_CAPABILITIES.contains(&name.as_str()))
}

pub(super) fn host_namespaces(pod: &CheckedPod<'_>) -> bool {
    pod.spec
        .is_some_and(|spec| [spec.host_network, spec.host_pid, spec.host_ipc].contains(&Some(true)))
}

pub(super) fn host_path(pod: &CheckedPod<'_>) -> bool {
    let mut volumes = pod
        .spec
        .into_iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    volumes.any(|volume| volume.host_path.is_some())
}

/// On the host's network the API server makes every port a host port.
pub(super) fn host_ports(pod: &CheckedPod<'_>) -> bool {
    let on_host = pod.spec.is_some_and(|spec| spec.host_network == Some(true));
    let mut ports = pod.containers.iter().flat_map(|part| part.ports);
    ports.any(|port| on_host || port.host_port.is_some_and(|number| number != 0))
}

pub(super) fn probe_hosts(pod: &CheckedPod<'_>) -> bool {
    pod.containers.iter().any(names_a_host)
}

fn names_a_host(part: &ContainerPart<'_>) -> bool {
    let http =
        |action: &Option<HTTPGetAction>| action.as_ref().and_then(|action| action.host.clone());
    let tcp =
        |action: &Option<TCPSocketAction>| action.as_ref().and_then(|action| action.host.clone());
    let probes = part
        .probes
        .iter()
        .flatten()
        .flat_map(|probe| [http(&probe.http_get), tcp(&probe.tcp_socket)]);
    let handlers = part
        .lifecycle
        .into_iter()
        .flat_map(|life| [&life.post_start, &life.pre_stop])
        .flatten();
    let handlers = handlers.flat_map(|handler| [http(&handler.http_get), tcp(&handler.tcp_socket)]);
    probes
        .chain(handlers)
        .flatten()
        .any(|host| !host.is_empty())
}

pub(super) fn check_privileged(pod: &CheckedPod<'_>) -> bool {
    pod.contexts()
        .any(|context| context.privileged == Some(true))
}

pub(super) fn check_selinux(pod: &CheckedPod<'_>) -> bool {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let forbidden = |options: &SELinuxOptions| {
        let kind = options.type_.as_deref().unwrap_or_default();
        !known_profile(&SELINUX_TYPES, kind, pod.minor)
            || given(&options.user)
            || given(&options.role)
    };
    let of_pod = pod
        .context
        .and_then(|context| context.se_linux_options.as_ref());
    let of_containers = pod
        .contexts()
        .filter_map(|context| context.se_linux_options.as_ref());
    of_pod.into_iter().chain(of_containers).any(forbidden)
}

/// Whether a seccomp profile is one that both levels accept.
pub(super) fn confines_pod(profile: &SeccompProfile) -> bool {
    matches!(profile.type_.as_str(), "RuntimeDefault" | "Localhost")
}

pub(super) fn check_seccomp(pod: &CheckedPod<'_>) -> bool {
    if pod.minor < SECCOMP_FIELDS_SINCE {
        return annotated_seccomp(pod);
    }
    let of_pod = pod
        .context
        .and_then(|context| context.seccomp_profile.as_ref());
    let of_containers = pod
        .contexts()
        .filter_map(|context| context.seccomp_profile.as_ref());
    !of_pod.into_iter().chain(of_containers).all(confines_pod)
}

/// An annotation for a container that the pod does not have says nothing.
fn annotated_seccomp(pod: &CheckedPod<'_>) -> bool {
    let forbidden = |key: &str| {
        let value = pod.annotations.and_then(|annotations| annotations.get(key));
        value.is_some_and(|value| {
            !matches!(value.as_str(), "runtime/default" | "docker/default")
                && !value.starts_with("localhost/")
        })
    };
    let of_container = |part: &ContainerPart<'_>| {
        forbidden(&format!("{SECCOMP_CONTAINER_ANNOTATION}{}", part.name))
    };
    forbidden(SECCOMP_ANNOTATION) || pod.containers.iter().any(of_container)
}

pub(super) fn check_sysctls(pod: &CheckedPod<'_>) -> bool {
    let mut set = pod
        .context
        .into_iter()
        .flat_map(|context| context.sysctls.iter().flatten());
    set.any(|sysctl| !known_profile(&SAFE_SYSCTLS, &sysctl.name, pod.minor))
}

pub(super) fn host_process(pod: &CheckedPod<'_>) -> bool {
    let of_pod = pod
        .context
        .and_then(|context| context.windows_options.as_ref());
    let of_containers = pod
        .contexts()
        .filter_map(|context| context.windows_options.as_ref());
    of_pod
        .into_iter()
        .chain(of_containers)
        .any(|options| options.host_process == Some(true))
}
