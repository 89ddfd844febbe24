//! What releases of Kubernetes serve and take, as tables with their sources: groups and versions,
//! resources, subresources, feature gates, admission plugins. A word that is not in here is misspelt.

mod resources;

pub(crate) use resources::own_resources_called;
pub use resources::{OwnResource, etcd_folder, is_own_group, own_resources};

use crate::spelling::plural_name;

/// Every feature gate, a line each.
const FEATURE_GATES: &str = include_str!("served/feature_gates.txt");

/// The releases whose feature gates are known.
pub const TABLED_RELEASES: [&str; 2] = ["1.35", "1.36"];

/// Groups and versions of the API server's own, on by default or not: the files of
/// `api/openapi-spec/v3` in kubernetes 1.35.4 and 1.36.3, which are made with every API turned on.
const API_VERSIONS: [&str; 37] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
    "apiregistration.k8s.io/v1",
    "apps/v1",
    "authentication.k8s.io/v1",
    "authorization.k8s.io/v1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1alpha1",
    "certificates.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "discovery.k8s.io/v1",
    "events.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1",
    "internal.apiserver.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1alpha3",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1beta2",
    "scheduling.k8s.io/v1",
    "scheduling.k8s.io/v1alpha1",
    "scheduling.k8s.io/v1alpha2",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storagemigration.k8s.io/v1beta1",
];

/// Words of `--runtime-config` that stand for many (kubernetes 1.36
/// `apiserver/pkg/server/resourceconfig/helpers.go`).
const MANY_APIS: [&str; 4] = ["api/all", "api/ga", "api/beta", "api/alpha"];

/// The subresources of the API server's own resources, from the paths of the same files.
const OWN_SUBRESOURCES: &[(&str, &[&str])] = &[
    ("apiservices", &["status"]),
    ("certificatesigningrequests", &["approval", "status"]),
    ("cronjobs", &["status"]),
    ("customresourcedefinitions", &["status"]),
    ("daemonsets", &["status"]),
    ("deployments", &["scale", "status"]),
    ("devicetaintrules", &["status"]),
    ("flowschemas", &["status"]),
    ("horizontalpodautoscalers", &["status"]),
    ("ingresses", &["status"]),
    ("jobs", &["status"]),
    ("namespaces", &["finalize", "status"]),
    ("nodes", &["proxy", "status"]),
    ("persistentvolumeclaims", &["status"]),
    ("persistentvolumes", &["status"]),
    ("podcertificaterequests", &["status"]),
    ("poddisruptionbudgets", &["status"]),
    ("podgroups", &["status"]),
    (
        "pods",
        &[
            "attach",
            "binding",
            "ephemeralcontainers",
            "eviction",
            "exec",
            "log",
            "portforward",
            "proxy",
            "resize",
            "status",
        ],
    ),
    ("prioritylevelconfigurations", &["status"]),
    ("replicasets", &["scale", "status"]),
    ("replicationcontrollers", &["scale", "status"]),
    ("resourceclaims", &["status"]),
    ("resourcepoolstatusrequests", &["status"]),
    ("resourcequotas", &["status"]),
    ("serviceaccounts", &["token"]),
    ("servicecidrs", &["status"]),
    ("services", &["proxy", "status"]),
    ("statefulsets", &["scale", "status"]),
    ("storageversionmigrations", &["status"]),
    ("storageversions", &["status"]),
    ("validatingadmissionpolicies", &["status"]),
    ("volumeattachments", &["status"]),
];

/// What a resource can have that a CustomResourceDefinition makes (kubernetes.io, "Extend the
/// Kubernetes API with CustomResourceDefinitions", "Subresources").
const CUSTOM_SUBRESOURCES: &[&str] = &["scale", "status"];

/// Admission plugins that are on without being named (`kube-apiserver --help`, 1.36.3).
const USUAL_PLUGINS: [&str; 27] = [
    "CertificateApproval",
    "CertificateSigning",
    "CertificateSubjectRestriction",
    "ClusterTrustBundleAttest",
    "DefaultIngressClass",
    "DefaultStorageClass",
    "DefaultTolerationSeconds",
    "JobValidation",
    "LimitRanger",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "NamespaceLifecycle",
    "NodeDeclaredFeatureValidator",
    "PersistentVolumeClaimResize",
    "PodGroupProtection",
    "PodGroupWorkloadExists",
    "PodResizeValidator",
    "PodSecurity",
    "PodTopologyLabels",
    "Priority",
    "ResourceQuota",
    "RuntimeClass",
    "ServiceAccount",
    "StorageObjectInUseProtection",
    "TaintNodesByCondition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
];

/// Those that are off by themselves (the same list). A box turns `NodeRestriction` on.
const OTHER_PLUGINS: [&str; 14] = [
    "AlwaysAdmit",
    "AlwaysDeny",
    "AlwaysPullImages",
    "DenyServiceExternalIPs",
    "EventRateLimit",
    "ExtendedResourceToleration",
    "ImagePolicyWebhook",
    "LimitPodHardAntiAffinityTopology",
    "NamespaceAutoProvision",
    "NamespaceExists",
    "NodeRestriction",
    "OwnerReferencesPermissionEnforcement",
    "PodNodeSelector",
    "PodTolerationRestriction",
];

/// What is known of a feature gate in one release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeatureGate {
    /// It can be turned on and off.
    Free,
    /// It is locked, on or off: a component refuses the other.
    Locked(bool),
}

/// The feature gate of this name in a release, `1.N`; nothing where the release does not know it.
pub(crate) fn feature_gate(release: &str, name: &str) -> Option<FeatureGate> {
    let mut gates = release_gates(release);
    gates.find(|(one, _)| *one == name).map(|(_, gate)| gate)
}

/// The names of a release's feature gates.
pub(crate) fn gate_names(release: &str) -> impl Iterator<Item = &'static str> {
    release_gates(release).map(|(name, _)| name)
}

fn release_gates(release: &str) -> impl Iterator<Item = (&'static str, FeatureGate)> {
    let lines = FEATURE_GATES.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(move |line| {
        let mut words = line.split(' ');
        let name = words.next()?;
        let known = words.find(|word| word.split('=').next() == Some(release))?;
        Some((
            name,
            match known.split_once('=') {
                None => FeatureGate::Free,
                Some((_, locked)) => FeatureGate::Locked(locked == "on"),
            },
        ))
    })
}

/// The release whose tables are looked into for `1.N` or `1.N.PATCH`; nothing where there are none.
pub(crate) fn tabled_release(asked: &str) -> Option<&'static str> {
    let is_it = |release: &&str| {
        let rest = asked.strip_prefix(*release);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    TABLED_RELEASES.into_iter().find(is_it)
}

/// Whether this can stand before the `=` in `--runtime-config`: all APIs of a kind, a version, or a
/// resource of one.
pub(crate) fn is_runtime_api(name: &str) -> bool {
    let version = match name.split('/').collect::<Vec<_>>().as_slice() {
        [group, version, resource] if !resource.is_empty() => format!("{group}/{version}"),
        _ => name.to_owned(),
    };
    runtime_apis().any(|one| one == version)
}

/// What can stand there, but for single resources. With a version that names no group the API
/// server ends at its start (`ParseGroupVersions`, the same file).
pub(crate) fn runtime_apis() -> impl Iterator<Item = &'static str> {
    let versions = API_VERSIONS.into_iter().filter(|one| one.contains('/'));
    MANY_APIS.into_iter().chain(versions)
}

/// The subresources of a resource, in the plural: of the API server's own, and otherwise what a
/// definition can make.
pub(crate) fn subresources(plural: &str, is_own: bool) -> &'static [&'static str] {
    if !is_own {
        return CUSTOM_SUBRESOURCES;
    }
    let known = OWN_SUBRESOURCES.iter().find(|(one, _)| *one == plural);
    known.map_or(&[], |(_, names)| names)
}

/// Every subresource that there is.
pub(crate) fn all_subresources() -> impl Iterator<Item = &'static str> {
    let own = OWN_SUBRESOURCES.iter().flat_map(|(_, names)| names.iter());
    own.chain(CUSTOM_SUBRESOURCES).copied()
}

/// The plural under which a kind's subresources are kept.
pub(crate) fn resource_of_kind(kind: &str) -> String {
    plural_name(kind.split('.').next().unwrap_or_default())
}

/// The names of admission plugins.
pub(crate) fn admission_plugins() -> impl Iterator<Item = &'static str> {
    USUAL_PLUGINS.into_iter().chain(OTHER_PLUGINS)
}

/// Whether an admission plugin acts without being named.
pub(crate) fn is_usual_plugin(name: &str) -> bool {
    USUAL_PLUGINS.contains(&name) || name == "NodeRestriction"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::object_kinds;

    #[test]
    fn gates_are_those_of_their_release() {
        assert_eq!(
            feature_gate("1.36", "WatchListClient"),
            Some(FeatureGate::Free)
        );
        assert_eq!(
            feature_gate("1.36", "PodGroups"),
            None,
            "there is no such gate"
        );
        assert_eq!(feature_gate("1.35", "ShardedListAndWatch"), None);
        assert!(feature_gate("1.36", "ShardedListAndWatch").is_some());
        assert_eq!(
            feature_gate("1.36", "AggregatedDiscoveryRemoveBetaType"),
            Some(FeatureGate::Locked(true))
        );
        for release in TABLED_RELEASES {
            let all: BTreeSet<&str> = gate_names(release).collect();
            assert!(all.len() > 200, "{release}: {}", all.len());
            assert_eq!(all.len(), gate_names(release).count());
            assert!(all.contains("AllAlpha") && !all.contains("featureC"));
        }
        assert_eq!(tabled_release("1.36.3"), Some("1.36"));
        assert_eq!(tabled_release("1.3"), None);
        assert_eq!(tabled_release("1.360"), None);
    }

    #[test]
    fn an_api_is_all_of_a_kind_a_version_or_a_resource_of_one() {
        for name in [
            "api/all",
            "apps/v1",
            "admissionregistration.k8s.io/v1beta1",
            "resource.k8s.io/v1beta1/deviceclasses",
        ] {
            assert!(is_runtime_api(name), "{name}");
        }
        for name in [
            "api/al",
            "v1",
            "v2",
            "admissionregistration/v1beta1",
            "admissionregistration.k8s.io",
            "resource.k8s.io/v2/deviceclasses",
            "resource.k8s.io/v1beta1/",
            "",
        ] {
            assert!(!is_runtime_api(name), "{name}");
        }
    }

    #[test]
    fn no_version_without_a_group_is_suggested() {
        assert!(runtime_apis().all(|one| one.contains('/')));
    }

    #[test]
    fn a_subresource_is_that_of_its_resource() {
        assert!(subresources("pods", true).contains(&"log"));
        assert!(!subresources("pods", true).contains(&"scale"));
        assert!(subresources("secrets", true).is_empty());
        assert_eq!(subresources("widgets", false), ["scale", "status"]);
        assert_eq!(subresources("pods", false), ["scale", "status"]);
        // A kind that an addon serves has no name of the API server's own.
        for kind in object_kinds().filter(|kind| kind.group.contains("kyverno")) {
            let plural = resource_of_kind(kind.kind);
            assert_eq!(
                subresources(&plural, false),
                CUSTOM_SUBRESOURCES,
                "{plural}"
            );
        }
    }

    #[test]
    fn every_plugin_that_can_refuse_is_one() {
        let schema = crate::scenario_schema();
        let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
        let words = schema["$defs"]["Plugin"]["oneOf"].as_array().unwrap();
        let names: BTreeSet<&str> = admission_plugins().collect();
        assert!(words.len() > 20);
        for word in words {
            let word = word["const"].as_str().unwrap();
            assert!(names.contains(word), "{word}");
        }
        assert!(is_usual_plugin("NodeRestriction") && !is_usual_plugin("AlwaysDeny"));
    }
}
