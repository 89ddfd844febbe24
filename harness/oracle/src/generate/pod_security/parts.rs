//! Containers and what they set.

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Capabilities, Container, ContainerPort, HTTPGetAction, Lifecycle,
    LifecycleHandler, Probe, SELinuxOptions, SeccompProfile, SecurityContext, TCPSocketAction,
    WindowsSecurityContextOptions,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use proptest::sample::select;

use crate::generate::{pick_word, seldom_some, some_of};

pub(super) const SAMPLE_IMAGE: &str = "example.org/image:1";

/// A container whose name begins like this.
pub(super) fn any_container(name: &'static str) -> impl Strategy<Value = Container> {
    (
        security_context(),
        seldom_some(4, container_port()),
        seldom_some(6, any_probe()),
        seldom_some(8, lifecycle_hooks()),
    )
        .prop_map(move |(security_context, port, probe, lifecycle)| {
            let (which, probe) = probe.map_or((0, None), |(which, probe)| (which, Some(probe)));
            let at = |place: u8| probe.clone().filter(|_| which == place);
            Container {
                name: name.to_owned(),
                image: Some(SAMPLE_IMAGE.to_owned()),
                security_context,
                ports: port.map(|port| vec![port]),
                liveness_probe: at(0),
                readiness_probe: at(1),
                startup_probe: at(2),
                lifecycle,
                ..Container::default()
            }
        })
}

fn container_port() -> impl Strategy<Value = ContainerPort> {
    select(vec![None, Some(0), Some(8080), Some(9090)]).prop_map(|host_port| ContainerPort {
        container_port: 8080,
        host_port,
        ..ContainerPort::default()
    })
}

fn http_action() -> impl Strategy<Value = HTTPGetAction> {
    probe_host().prop_map(|host| HTTPGetAction {
        host,
        port: IntOrString::Int(80),
        ..HTTPGetAction::default()
    })
}

fn tcp_action() -> impl Strategy<Value = TCPSocketAction> {
    probe_host().prop_map(|host| TCPSocketAction {
        host,
        port: IntOrString::Int(80),
    })
}

fn probe_host() -> impl Strategy<Value = Option<String>> {
    select(vec![None, Some(String::new()), Some("10.0.0.1".to_owned())])
}

fn any_probe() -> impl Strategy<Value = (u8, Probe)> {
    let probe = prop_oneof![
        http_action().prop_map(|http_get| Probe {
            http_get: Some(http_get),
            ..Probe::default()
        }),
        tcp_action().prop_map(|tcp_socket| Probe {
            tcp_socket: Some(tcp_socket),
            ..Probe::default()
        }),
    ];
    (0_u8..3, probe)
}

fn lifecycle_hooks() -> impl Strategy<Value = Lifecycle> {
    let handler = prop_oneof![
        http_action().prop_map(|http_get| LifecycleHandler {
            http_get: Some(http_get),
            ..LifecycleHandler::default()
        }),
        tcp_action().prop_map(|tcp_socket| LifecycleHandler {
            tcp_socket: Some(tcp_socket),
            ..LifecycleHandler::default()
        }),
    ];
    (any::<bool>(), handler).prop_map(|(early, handler)| {
        let (post_start, pre_stop) = if early {
            (Some(handler), None)
        } else {
            (None, Some(handler))
        };
        Lifecycle {
            post_start,
            pre_stop,
            ..Lifecycle::default()
        }
    })
}

pub(super) fn security_context() -> impl Strategy<Value = Option<SecurityContext>> {
    let first = (
        prop_oneof![4 => Just(Some(false)), 1 => Just(None), 1 => Just(Some(true))],
        any_capabilities(),
        run_as_non_root(),
        seldom_some(6, select(vec![0, 1000])),
        seccomp_profile(),
    );
    let second = (
        seldom_some(8, any::<bool>()),
        seldom_some(6, pick_word(&["Default", "Unmasked"])),
        seldom_some(8, selinux_options()),
        seldom_some(8, app_armor()),
        seldom_some(16, any::<bool>()),
    );
    let context = (first, second).prop_map(
        |(
            (escalation, capabilities, non_root, user, seccomp),
            (privileged, proc_mount, selinux, app_armor, host_process),
        )| {
            SecurityContext {
                allow_privilege_escalation: escalation,
                capabilities,
                run_as_non_root: non_root,
                run_as_user: user,
                seccomp_profile: seccomp,
                privileged,
                proc_mount,
                se_linux_options: selinux,
                app_armor_profile: app_armor,
                windows_options: host_process.map(windows_options),
                ..SecurityContext::default()
            }
        },
    );
    prop::option::weighted(0.9, context)
}

fn any_capabilities() -> impl Strategy<Value = Option<Capabilities>> {
    let drop = prop_oneof![4 => Just(vec!["ALL".to_owned()]), 1 => Just(vec!["all".to_owned()]),
        1 => Just(vec!["CHOWN".to_owned()]), 1 => Just(vec!["CHOWN".to_owned(), "ALL".to_owned()])];
    let names = [
        "NET_BIND_SERVICE",
        "CHOWN",
        "SYS_CHROOT",
        "NET_RAW",
        "NET_ADMIN",
        "chown",
        "ALL",
    ];
    let add = some_of(names.map(str::to_owned).to_vec(), 2);
    let capabilities = (seldom_some(3, add), prop::option::weighted(0.9, drop));
    prop::option::weighted(
        0.8,
        capabilities.prop_map(|(add, drop)| Capabilities { add, drop }),
    )
}

pub(super) fn run_as_non_root() -> impl Strategy<Value = Option<bool>> {
    prop_oneof![3 => Just(Some(true)), 3 => Just(None), 1 => Just(Some(false))]
}

pub(super) fn seccomp_profile() -> impl Strategy<Value = Option<SeccompProfile>> {
    let profile = |kind: &str, file: Option<&str>| SeccompProfile {
        type_: kind.to_owned(),
        localhost_profile: file.map(str::to_owned),
    };
    prop_oneof![
        3 => Just(Some(profile("RuntimeDefault", None))),
        3 => Just(None),
        1 => Just(Some(profile("Localhost", Some("x.json")))),
        1 => Just(Some(profile("Unconfined", None))),
    ]
}

pub(super) fn app_armor() -> impl Strategy<Value = AppArmorProfile> {
    let profile = |kind: &str, file: Option<&str>| AppArmorProfile {
        type_: kind.to_owned(),
        localhost_profile: file.map(str::to_owned),
    };
    select(vec![
        profile("RuntimeDefault", None),
        profile("Localhost", Some("x")),
        profile("Unconfined", None),
    ])
}

pub(super) fn selinux_options() -> impl Strategy<Value = SELinuxOptions> {
    let kind = pick_word(&[
        "",
        "container_t",
        "container_init_t",
        "container_kvm_t",
        "container_engine_t",
        "spc_t",
    ]);
    let other = || seldom_some(4, pick_word(&["", "x"]));
    (
        prop::option::of(kind),
        other(),
        other(),
        prop::option::of(pick_word(&["s0"])),
    )
        .prop_map(|(type_, user, role, level)| SELinuxOptions {
            type_,
            user,
            role,
            level,
        })
}

pub(super) fn windows_options(host_process: bool) -> WindowsSecurityContextOptions {
    WindowsSecurityContextOptions {
        host_process: Some(host_process),
        ..WindowsSecurityContextOptions::default()
    }
}
