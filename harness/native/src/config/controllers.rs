//! The controller manager and the scheduler.

use super::{
    BOX_HOME, BoxBlueprint, BoxProcess, NODE_MASK, NODE_MASK_6, POD_CIDR, POD_CIDR_6,
    feature_gates, kubernetes_node, kubernetes_process, verbosity_flag,
};
use crate::places::TOKEN_KEY;

/// What a cluster without nodes needs: namespaces that come with a ServiceAccount and end clean,
/// aggregated roles, owners, quotas and budgets that are honoured, volumes and claims that go when
/// they are deleted.
const WITHOUT_NODES: [&str; 12] = [
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "namespace-controller",
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "resourcequota-controller",
    "disruption-controller",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-protection-controller",
    "validatingadmissionpolicy-status-controller",
    "legacy-serviceaccount-token-cleaner-controller",
];

pub(super) fn controller_manager(blueprint: &BoxBlueprint) -> BoxProcess {
    let mut args = credential_flags("kube-controller-manager");
    args.extend([
        format!("--service-account-private-key-file={TOKEN_KEY}"),
        format!("--root-ca-file={BOX_HOME}/pki/ca.crt"),
        format!("--cluster-signing-cert-file={BOX_HOME}/pki/ca.crt"),
        format!("--cluster-signing-key-file={BOX_HOME}/pki/ca.key"),
        "--use-service-account-credentials=true".into(),
        // It would give up if the answer took 10 s, and it may have to wait at the closed gate.
        "--authentication-skip-lookup=true".into(),
        "--kube-api-qps=1000".into(),
        "--kube-api-burst=2000".into(),
    ]);
    if blueprint.cluster.nodes == 0 {
        args.push(format!("--controllers={}", WITHOUT_NODES.join(",")));
    } else {
        args.push("--allocate-node-cidrs=true".into());
        args.push(format!(
            "--cluster-cidr={}",
            blueprint.families(POD_CIDR, POD_CIDR_6)
        ));
        args.push(format!("--node-cidr-mask-size-ipv4={NODE_MASK}"));
        if blueprint.cluster.dual_stack {
            args.push(format!("--node-cidr-mask-size-ipv6={NODE_MASK_6}"));
        }
        let grace = blueprint.cluster.node_monitor_grace_period.as_ref();
        args.extend(grace.map(|period| format!("--node-monitor-grace-period={period}")));
    }
    args.extend(feature_gates(&blueprint.cluster.feature_gates));
    args.extend(verbosity_flag(blueprint.cluster));
    kubernetes_process("kube-controller-manager", args)
}

pub(super) fn scheduler_process(blueprint: &BoxBlueprint) -> BoxProcess {
    let mut args = credential_flags("kube-scheduler");
    args.extend(["--kube-api-qps=1000".into(), "--kube-api-burst=2000".into()]);
    args.extend(feature_gates(&blueprint.cluster.feature_gates));
    args.extend(verbosity_flag(blueprint.cluster));
    kubernetes_node("kube-scheduler", args)
}

fn credential_flags(name: &str) -> Vec<String> {
    let file = format!("{BOX_HOME}/{name}.kubeconfig");
    vec![
        format!("--kubeconfig={file}"),
        format!("--authentication-kubeconfig={file}"),
        format!("--authorization-kubeconfig={file}"),
        "--leader-elect=false".into(),
        "--profiling=false".into(),
    ]
}

#[cfg(test)]
mod tests {
    use model::{KindBarrier, ObjectKind, object_kinds};

    use super::WITHOUT_NODES;

    /// The controllers without which an object of this kind is never in force, or never gone. The
    /// engine waits for both, so a cluster without nodes needs them, too.
    fn awaited_controllers(one: &ObjectKind) -> &'static [&'static str] {
        match one.barrier {
            KindBarrier::OwnStatus => match one.kind {
                "PodDisruptionBudget" => &["disruption-controller"],
                // The API server itself says that it is established.
                "CustomResourceDefinition" => &[],
                kind => panic!("what writes the status of a {kind}?"),
            },
            KindBarrier::Quotas => &["resourcequota-controller", "garbage-collector-controller"],
            KindBarrier::ClusterRoles => &["clusterrole-aggregation-controller"],
            KindBarrier::NamespaceLabels => &[
                "namespace-controller",
                "root-ca-certificate-publisher-controller",
            ],
            KindBarrier::ServiceAccounts => &[
                "serviceaccount-controller",
                "serviceaccount-token-controller",
            ],
            KindBarrier::AdmissionPolicies => &["validatingadmissionpolicy-status-controller"],
            // `StorageObjectInUseProtection` gives these a finalizer.
            KindBarrier::Stored => match one.kind {
                "PersistentVolumeClaim" => &["persistentvolumeclaim-protection-controller"],
                "PersistentVolume" => &["persistentvolume-protection-controller"],
                _ => &[],
            },
            // The API server alone decides by these.
            KindBarrier::Roles
            | KindBarrier::ValidatingWebhooks
            | KindBarrier::MutatingWebhooks
            | KindBarrier::LimitRanges
            | KindBarrier::PriorityClasses
            | KindBarrier::RuntimeClasses => &[],
            // Only nodes have enforcers and addons.
            KindBarrier::NetworkTables | KindBarrier::Addon(_) => &[],
        }
    }

    #[test]
    fn whatever_is_waited_for_has_its_controller() {
        for one in object_kinds() {
            for awaited in awaited_controllers(one) {
                assert!(WITHOUT_NODES.contains(awaited), "{}: {awaited}", one.kind);
            }
        }
    }
}
