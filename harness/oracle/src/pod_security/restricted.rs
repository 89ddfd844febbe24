//! The checks that the restricted level adds. Each says whether the pod violates it.

use k8s_openapi::api::core::v1::{SecurityContext, Volume};

use super::baseline::confines_pod;
use super::subject::{CheckedPod, ContainerPart};

pub(super) fn privilege_escalation(pod: &CheckedPod<'_>) -> bool {
    let forbids = |part: &ContainerPart<'_>| {
        part.context
            .and_then(|context| context.allow_privilege_escalation)
            .is_some_and(|allowed| !allowed)
    };
    !pod.windows() && !pod.containers.iter().all(forbids)
}

/// Every container drops `ALL`, and may add one back.
pub(super) fn check_capabilities(pod: &CheckedPod<'_>) -> bool {
    let confined = |part: &ContainerPart<'_>| {
        let capabilities = part
            .context
            .and_then(|context| context.capabilities.as_ref());
        capabilities.is_some_and(|sets| {
            let drops = sets.drop.iter().flatten().any(|name| name == "ALL");
            drops
                && sets
                    .add
                    .iter()
                    .flatten()
                    .all(|name| name == "NET_BIND_SERVICE")
        })
    };
    !pod.windows() && !pod.containers.iter().all(confined)
}

pub(super) fn check_volumes(pod: &CheckedPod<'_>) -> bool {
    let mut volumes = pod
        .spec
        .into_iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    volumes.any(|volume| !is_allowed(volume))
}

fn is_allowed(volume: &Volume) -> bool {
    // One that names no kind becomes an `emptyDir`.
    let of_no_kind = || {
        *volume
            == Volume {
                name: volume.name.clone(),
                ..Volume::default()
            }
    };
    volume.config_map.is_some()
        || volume.csi.is_some()
        || volume.downward_api.is_some()
        || volume.empty_dir.is_some()
        || volume.ephemeral.is_some()
        || volume.image.is_some()
        || volume.persistent_volume_claim.is_some()
        || volume.projected.is_some()
        || volume.secret.is_some()
        || of_no_kind()
}

/// What a container says counts for it; what the pod says, for those that say nothing. A pod that
/// says `false` violates it whatever its containers say.
fn holds_for_all(
    pod: &CheckedPod<'_>,
    of_pod: Option<bool>,
    of_container: impl Fn(&SecurityContext) -> Option<bool>,
) -> bool {
    let said = |part: &ContainerPart<'_>| part.context.and_then(&of_container).or(of_pod);
    of_pod != Some(false) && pod.containers.iter().all(|part| said(part) == Some(true))
}

pub(super) fn run_as_non_root(pod: &CheckedPod<'_>) -> bool {
    let of_pod = pod.context.and_then(|context| context.run_as_non_root);
    !pod.relaxed() && !holds_for_all(pod, of_pod, |context| context.run_as_non_root)
}

pub(super) fn run_as_user(pod: &CheckedPod<'_>) -> bool {
    let of_pod = pod.context.and_then(|context| context.run_as_user);
    let mut of_containers = pod.contexts().filter_map(|context| context.run_as_user);
    !pod.relaxed() && (of_pod == Some(0) || of_containers.any(|user| user == 0))
}

pub(super) fn check_seccomp(pod: &CheckedPod<'_>) -> bool {
    let of_pod = pod
        .context
        .and_then(|context| context.seccomp_profile.as_ref())
        .map(confines_pod);
    !pod.windows()
        && !holds_for_all(pod, of_pod, |context| {
            context.seccomp_profile.as_ref().map(confines_pod)
        })
}
