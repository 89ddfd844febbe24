//! Takes out of a pod what an API server's validation does not take together.

use k8s_openapi::api::core::v1::{Container, Pod, PodSecurityContext, PodSpec, SecurityContext};

use super::parts::windows_options;

pub(super) fn fit_pod(mut pod: Pod) -> Pod {
    let Some(spec) = pod.spec.as_mut() else {
        return pod;
    };
    let os = spec.os.as_ref().map(|os| os.name.clone());
    let is_windows = os.as_deref() == Some("windows");
    if is_windows {
        keep_for_windows(spec);
    } else if os.is_some() {
        keep_for_linux(spec);
    }
    fit_host_process(spec);
    if each_context(spec).any(|context| context.proc_mount.as_deref() == Some("Unmasked")) {
        spec.host_users = Some(false);
    }
    if spec.host_users == Some(false) {
        (spec.host_network, spec.host_pid, spec.host_ipc) = (None, None, None);
    }
    fit_sysctls(spec);
    let on_host = spec.host_network == Some(true);
    let has_app_armor = each_context(spec).any(|context| context.app_armor_profile.is_some())
        || spec
            .security_context
            .as_ref()
            .is_some_and(|context| context.app_armor_profile.is_some());
    for (at, container) in spec
        .containers
        .iter_mut()
        .chain(spec.init_containers.iter_mut().flatten())
        .enumerate()
    {
        fit_container(container, at, on_host);
    }
    for container in spec.init_containers.iter_mut().flatten() {
        let Container {
            liveness_probe,
            readiness_probe,
            startup_probe,
            lifecycle,
            ..
        } = container;
        let lives_on = [&*liveness_probe, &*readiness_probe, &*startup_probe]
            .into_iter()
            .any(Option::is_some);
        container.restart_policy = (lives_on || lifecycle.is_some()).then(|| "Always".to_owned());
    }
    if has_app_armor || is_windows {
        pod.metadata
            .annotations
            .iter_mut()
            .for_each(|all| all.retain(|key, _| !key.contains("apparmor")));
    }
    pod
}

fn each_context(spec: &PodSpec) -> impl Iterator<Item = &SecurityContext> {
    let all = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    all.filter_map(|container| container.security_context.as_ref())
}

fn each_context_mut(spec: &mut PodSpec) -> impl Iterator<Item = &mut SecurityContext> {
    let all = spec
        .containers
        .iter_mut()
        .chain(spec.init_containers.iter_mut().flatten());
    all.filter_map(|container| container.security_context.as_mut())
}

/// What only Linux has may not be set for Windows.
fn keep_for_windows(spec: &mut PodSpec) {
    (spec.host_pid, spec.host_ipc, spec.host_users) = (None, None, None);
    if let Some(context) = spec.security_context.take() {
        let PodSecurityContext {
            run_as_non_root,
            windows_options,
            ..
        } = context;
        spec.security_context = Some(PodSecurityContext {
            run_as_non_root,
            windows_options,
            ..Default::default()
        });
    }
    for context in each_context_mut(spec) {
        let SecurityContext {
            run_as_non_root,
            windows_options,
            ..
        } = std::mem::take(context);
        *context = SecurityContext {
            run_as_non_root,
            windows_options,
            ..SecurityContext::default()
        };
    }
}

/// What only Windows has may not be set for Linux.
fn keep_for_linux(spec: &mut PodSpec) {
    spec.security_context
        .iter_mut()
        .for_each(|context| context.windows_options = None);
    each_context_mut(spec).for_each(|context| context.windows_options = None);
}

/// A context without what only Windows has, and without what contradicts itself.
pub(super) fn linux_context(mut context: SecurityContext) -> SecurityContext {
    context.windows_options = None;
    context.proc_mount = None;
    fit_escalation(&mut context);
    context
}

/// A host process is one in all containers, on the host's network.
fn fit_host_process(spec: &mut PodSpec) {
    let of_pod = spec
        .security_context
        .as_ref()
        .and_then(|context| context.windows_options.as_ref());
    let wanted = of_pod.and_then(|options| options.host_process) == Some(true);
    let wanted = wanted
        || each_context(spec).any(|context| {
            context
                .windows_options
                .as_ref()
                .is_some_and(|options| options.host_process == Some(true))
        });
    if !wanted {
        return;
    }
    spec.host_network = Some(true);
    spec.host_users = None;
    spec.security_context
        .get_or_insert_default()
        .windows_options = Some(windows_options(true));
    for context in each_context_mut(spec) {
        context.windows_options = None;
        context.proc_mount = None;
    }
}

/// Sysctls of a namespace that the pod shares with its node may not be set.
fn fit_sysctls(spec: &mut PodSpec) {
    let (network, ipc) = (spec.host_network == Some(true), spec.host_ipc == Some(true));
    for sysctls in spec
        .security_context
        .iter_mut()
        .filter_map(|context| context.sysctls.as_mut())
    {
        sysctls.retain(|sysctl| {
            !(network && sysctl.name.starts_with("net.")
                || ipc && sysctl.name.starts_with("kernel."))
        });
    }
}

fn fit_container(container: &mut Container, at: usize, on_host: bool) {
    for port in container.ports.iter_mut().flatten() {
        let shift = i32::try_from(at).unwrap_or_default();
        port.container_port += shift;
        port.host_port = port
            .host_port
            .map(|number| if number == 0 { 0 } else { number + shift });
        if on_host {
            port.host_port = port
                .host_port
                .filter(|number| *number == port.container_port);
        }
    }
    container
        .security_context
        .iter_mut()
        .for_each(fit_escalation);
}

/// What is privileged cannot be kept from more privileges.
fn fit_escalation(context: &mut SecurityContext) {
    if context.privileged == Some(true) {
        context.allow_privilege_escalation = context
            .allow_privilege_escalation
            .filter(|allowed| *allowed);
    }
}
