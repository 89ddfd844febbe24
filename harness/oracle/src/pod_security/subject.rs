//! A pod, as the checks look at it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EphemeralContainer, Lifecycle, Pod, PodSecurityContext, PodSpec,
    Probe, SecurityContext,
};

/// From this release on, checks that a user namespace makes pointless leave pods in one alone.
const RELAXED_SINCE: u32 = 35;

/// From this release on, checks of what Windows does not have leave Windows pods alone.
const WINDOWS_SINCE: u32 = 25;

/// A pod and the release by whose checks it is judged.
pub(super) struct CheckedPod<'a> {
    pub(super) spec: Option<&'a PodSpec>,
    pub(super) context: Option<&'a PodSecurityContext>,
    pub(super) annotations: Option<&'a BTreeMap<String, String>>,
    /// Containers of all three kinds.
    pub(super) containers: Vec<ContainerPart<'a>>,
    pub(super) minor: u32,
}

/// What a container of any kind has.
pub(super) struct ContainerPart<'a> {
    pub(super) name: &'a str,
    pub(super) context: Option<&'a SecurityContext>,
    pub(super) ports: &'a [ContainerPort],
    pub(super) probes: [Option<&'a Probe>; 3],
    pub(super) lifecycle: Option<&'a Lifecycle>,
}

impl<'a> CheckedPod<'a> {
    pub(super) fn new(pod: &'a Pod, minor: u32) -> Self {
        let spec = pod.spec.as_ref();
        let first = spec
            .iter()
            .flat_map(|spec| spec.init_containers.iter().flatten());
        let main = spec.iter().flat_map(|spec| spec.containers.iter());
        let late = spec
            .iter()
            .flat_map(|spec| spec.ephemeral_containers.iter().flatten());
        Self {
            spec,
            context: spec.and_then(|spec| spec.security_context.as_ref()),
            annotations: pod.metadata.annotations.as_ref(),
            containers: first
                .chain(main)
                .map(ContainerPart::of)
                .chain(late.map(ContainerPart::of_ephemeral))
                .collect(),
            minor,
        }
    }

    /// Whether the pod is in a user namespace, and these checks know what that means.
    pub(super) fn relaxed(&self) -> bool {
        self.minor >= RELAXED_SINCE && self.spec.is_some_and(|spec| spec.host_users == Some(false))
    }

    /// Whether the pod says that it is for Windows, and these checks know what that means.
    pub(super) fn windows(&self) -> bool {
        let os = self.spec.and_then(|spec| spec.os.as_ref());
        self.minor >= WINDOWS_SINCE && os.is_some_and(|os| os.name == "windows")
    }

    /// The security contexts of the containers that have one.
    pub(super) fn contexts(&self) -> impl Iterator<Item = &'a SecurityContext> {
        self.containers.iter().filter_map(|part| part.context)
    }

    /// Whether a container wants `/proc` without its masks.
    pub(super) fn unmasks_proc(&self) -> bool {
        self.contexts().any(|context| {
            context
                .proc_mount
                .as_ref()
                .is_some_and(|mount| mount != "Default")
        })
    }
}

impl<'a> ContainerPart<'a> {
    fn of(container: &'a Container) -> Self {
        let Container {
            name,
            security_context,
            ports,
            liveness_probe,
            readiness_probe,
            startup_probe,
            lifecycle,
            ..
        } = container;
        Self {
            name,
            context: security_context.as_ref(),
            ports: ports.as_deref().unwrap_or_default(),
            probes: [
                liveness_probe.as_ref(),
                readiness_probe.as_ref(),
                startup_probe.as_ref(),
            ],
            lifecycle: lifecycle.as_ref(),
        }
    }

    /// An ephemeral container may have neither ports nor probes.
    fn of_ephemeral(container: &'a EphemeralContainer) -> Self {
        Self {
            name: &container.name,
            context: container.security_context.as_ref(),
            ports: &[],
            probes: [None; 3],
            lifecycle: None,
        }
    }
}
