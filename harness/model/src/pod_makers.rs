//! The kinds of Kubernetes whose controllers make pods of a template, with where they are.

/// A kind of objects that has pods made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodMaker {
    /// Its kind, such as `CronJob`.
    pub kind: &'static str,
    /// Its API group; empty for the core.
    pub group: &'static str,
    /// Its version in that group.
    pub version: &'static str,
    /// The plural in paths and in rules of roles.
    pub plural: &'static str,
}

/// All of them in Kubernetes itself. What makes others comes before what it makes.
pub const POD_MAKERS: [PodMaker; 7] = [
    maker("CronJob", "batch", "v1", "cronjobs"),
    maker("Job", "batch", "v1", "jobs"),
    maker("Deployment", "apps", "v1", "deployments"),
    maker("ReplicaSet", "apps", "v1", "replicasets"),
    maker("StatefulSet", "apps", "v1", "statefulsets"),
    maker("DaemonSet", "apps", "v1", "daemonsets"),
    maker("ReplicationController", "", "v1", "replicationcontrollers"),
];

const fn maker(
    kind: &'static str,
    group: &'static str,
    version: &'static str,
    plural: &'static str,
) -> PodMaker {
    PodMaker {
        kind,
        group,
        version,
        plural,
    }
}

impl PodMaker {
    /// The path of all objects of this kind in a namespace.
    #[must_use]
    pub fn collection_path(&self, namespace: &str) -> String {
        let Self {
            group,
            version,
            plural,
            ..
        } = self;
        if group.is_empty() {
            format!("/api/{version}/namespaces/{namespace}/{plural}")
        } else {
            format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}")
        }
    }
}

/// Whether pods are made for objects of this kind, in whatever case it is written.
#[must_use]
pub fn makes_pods(kind: &str) -> bool {
    let mut makers = POD_MAKERS.iter();
    makers.any(|maker| maker.kind.eq_ignore_ascii_case(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_kinds_that_the_engine_knows_with_their_paths() {
        for maker in POD_MAKERS {
            let version = format!("{}/{}", maker.group, maker.version);
            let version = version.trim_start_matches('/');
            assert!(
                crate::object_kind(version, maker.kind).is_some(),
                "{maker:?}"
            );
        }
        let of = |kind: &str| POD_MAKERS.into_iter().find(|maker| maker.kind == kind);
        assert_eq!(
            of("Job").unwrap().collection_path("a"),
            "/apis/batch/v1/namespaces/a/jobs"
        );
        let old = of("ReplicationController").unwrap();
        assert_eq!(
            old.collection_path("a"),
            "/api/v1/namespaces/a/replicationcontrollers"
        );
        assert!(makes_pods("daemonset") && !makes_pods("Pod"));
    }
}
