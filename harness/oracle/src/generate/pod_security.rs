//! Pods that an API server finds valid, with and without what the Pod Security checks look for.
//!
//! Most of a pod complies in most cases: otherwise every pod would violate everything.

mod fit;
mod parts;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    EphemeralContainer, Pod, PodOS, PodSecurityContext, PodSpec, Sysctl, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{pick_word, seldom_some, some_of};
use crate::pod_security::{ReleaseVersion, SecurityLevel};

/// Versions on both sides of every release that changed a check, one that no server knows yet, and
/// the latest.
pub const RELEASE_VERSIONS: [ReleaseVersion; 17] = [
    ReleaseVersion::Minor(0),
    ReleaseVersion::Minor(7),
    ReleaseVersion::Minor(8),
    ReleaseVersion::Minor(18),
    ReleaseVersion::Minor(19),
    ReleaseVersion::Minor(22),
    ReleaseVersion::Minor(23),
    ReleaseVersion::Minor(24),
    ReleaseVersion::Minor(25),
    ReleaseVersion::Minor(27),
    ReleaseVersion::Minor(29),
    ReleaseVersion::Minor(31),
    ReleaseVersion::Minor(32),
    ReleaseVersion::Minor(34),
    ReleaseVersion::Minor(35),
    ReleaseVersion::Minor(99),
    ReleaseVersion::Latest,
];

/// A level at which something is checked.
pub fn any_level() -> impl Strategy<Value = SecurityLevel> {
    select(vec![SecurityLevel::Baseline, SecurityLevel::Restricted])
}

/// One of [`VERSIONS`].
pub fn any_version() -> impl Strategy<Value = ReleaseVersion> {
    select(RELEASE_VERSIONS.to_vec())
}

/// A pod that an API server takes, were it not for Pod Security.
pub fn any_pod() -> impl Strategy<Value = Pod> {
    let containers = (
        vec(parts::any_container("main"), 1..=2),
        vec(parts::any_container("init"), 0..=1),
    );
    (
        containers,
        host_namespaces(),
        pod_context(),
        any_volumes(),
        old_annotations(),
    )
        .prop_map(
            |(
                (containers, first),
                (network, process, ipc, users, os),
                context,
                volumes,
                annotations,
            )| {
                let numbered =
                    |(at, mut container): (usize, k8s_openapi::api::core::v1::Container)| {
                        container.name = format!("{}-{at}", container.name);
                        container
                    };
                let spec = PodSpec {
                    containers: containers.into_iter().enumerate().map(numbered).collect(),
                    init_containers: (!first.is_empty())
                        .then(|| first.into_iter().enumerate().map(numbered).collect()),
                    host_network: network,
                    host_pid: process,
                    host_ipc: ipc,
                    host_users: users,
                    os: os.map(|name| PodOS { name }),
                    security_context: context,
                    volumes,
                    ..PodSpec::default()
                };
                let metadata = ObjectMeta {
                    name: Some("pod".into()),
                    annotations,
                    ..ObjectMeta::default()
                };
                fit::fit_pod(Pod {
                    metadata,
                    spec: Some(spec),
                    status: None,
                })
            },
        )
}

/// An ephemeral container for a pod that runs on Linux.
pub fn ephemeral_container() -> impl Strategy<Value = EphemeralContainer> {
    parts::security_context().prop_map(|security_context| EphemeralContainer {
        name: "late".into(),
        image: Some(parts::SAMPLE_IMAGE.into()),
        security_context: security_context.map(fit::linux_context),
        ..EphemeralContainer::default()
    })
}

type HostNamespaces = (
    Option<bool>,
    Option<bool>,
    Option<bool>,
    Option<bool>,
    Option<String>,
);

fn host_namespaces() -> impl Strategy<Value = HostNamespaces> {
    let flag = || seldom_some(8, any::<bool>());
    (
        flag(),
        flag(),
        flag(),
        seldom_some(4, any::<bool>()),
        seldom_some(4, pick_word(&["windows", "linux"])),
    )
}

fn pod_context() -> impl Strategy<Value = Option<PodSecurityContext>> {
    let sysctls = seldom_some(4, some_of(TRIED_SYSCTLS.to_vec(), 2));
    let fields = (
        parts::run_as_non_root(),
        seldom_some(4, select(vec![0, 1000])),
        parts::seccomp_profile(),
        seldom_some(8, parts::selinux_options()),
        seldom_some(8, parts::app_armor()),
        seldom_some(16, any::<bool>()),
        sysctls,
    );
    let context = fields.prop_map(
        |(non_root, user, seccomp, selinux, app_armor, host_process, sysctls)| PodSecurityContext {
            run_as_non_root: non_root,
            run_as_user: user,
            seccomp_profile: seccomp,
            se_linux_options: selinux,
            app_armor_profile: app_armor,
            windows_options: host_process.map(parts::windows_options),
            sysctls: sysctls.map(|names| names.into_iter().map(any_sysctl).collect()),
            ..PodSecurityContext::default()
        },
    );
    prop::option::weighted(0.85, context)
}

/// On the list from the beginning, since each release that made it longer, and never.
const TRIED_SYSCTLS: [&str; 9] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "kernel.msgmax",
    "net.core.somaxconn",
];

fn any_sysctl(name: &str) -> Sysctl {
    Sysctl {
        name: name.to_owned(),
        value: "1".to_owned(),
    }
}

/// Volumes of allowed kinds, of kinds that are not, and of none.
fn any_volumes() -> impl Strategy<Value = Option<Vec<Volume>>> {
    let kinds = vec![
        json!({"emptyDir": {}}),
        json!({"configMap": {"name": "x"}}),
        json!({"secret": {"secretName": "x"}}),
        json!({"projected": {"sources": []}}),
        json!({"downwardAPI": {}}),
        json!({"persistentVolumeClaim": {"claimName": "x"}}),
        json!({"csi": {"driver": "example.org"}}),
        json!({"image": {"reference": "example.org/data:1"}}),
        json!({}),
        json!({"hostPath": {"path": "/"}}),
        json!({"nfs": {"server": "example.org", "path": "/"}}),
        json!({"iscsi": {"targetPortal": "10.0.0.1", "iqn": "iqn.2020-01.org.example:x", "lun": 0}}),
        json!({"fc": {"targetWWNs": ["0"], "lun": 0}}),
    ];
    seldom_some(2, some_of(kinds, 2)).prop_map(|kinds| {
        let volume = |(at, kind): (usize, Value)| {
            let mut volume: Volume =
                serde_json::from_value(with_name(kind, &format!("v{at}"))).ok()?;
            volume.name = format!("v{at}");
            Some(volume)
        };
        kinds.map(|kinds| kinds.into_iter().enumerate().filter_map(volume).collect())
    })
}

fn with_name(mut value: Value, name: &str) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.insert("name".into(), name.into());
    }
    value
}

/// The annotations that were there before the fields.
fn old_annotations() -> impl Strategy<Value = Option<BTreeMap<String, String>>> {
    let app_armor = "container.apparmor.security.beta.kubernetes.io/main-0";
    let key = pick_word(&[
        "container.apparmor.security.beta.kubernetes.io/main-0",
        "seccomp.security.alpha.kubernetes.io/pod",
        "container.seccomp.security.alpha.kubernetes.io/main-0",
        "container.seccomp.security.alpha.kubernetes.io/absent",
        "example.org/x",
    ]);
    let value = pick_word(&[
        "unconfined",
        "runtime/default",
        "localhost/x",
        "docker/default",
    ]);
    let one = (key, value).prop_map(move |(key, value)| {
        // AppArmor never knew Docker's.
        let value = if key == app_armor && value == "docker/default" {
            "runtime/default".to_owned()
        } else {
            value
        };
        BTreeMap::from([(key, value)])
    });
    seldom_some(4, one)
}
