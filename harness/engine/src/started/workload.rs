//! Which pods are those of a workload's newest revision, read from the objects alone.

use serde_json::Value;

use super::ownership::is_controlled;
use crate::Error;
use crate::discovery::ApiResource;
use crate::pods::{find_condition, is_ending};
use crate::world::LiveWorld;
use api::percent_encode;

/// The kinds whose pods are known, each with its own way to tell a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkloadKind {
    Deployment,
    /// It has no revisions: a changed template is for the next pod.
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
}

/// A workload, what it made to have pods (ReplicaSets, or the revisions that are kept), and its
/// pods.
pub(crate) struct Workload {
    pub(super) kind: WorkloadKind,
    pub(super) object: Value,
    makers: Vec<Value>,
    /// Those of every revision that have not been told to end.
    pub(crate) pods: Vec<Value>,
    /// How many have.
    pub(crate) ending: usize,
}

/// How far the newest revision is.
#[derive(Debug)]
pub(super) struct Rollout<'a> {
    /// How many pods are wanted.
    pub(super) wanted: usize,
    /// Those of the newest revision.
    pub(super) pods: Vec<&'a Value>,
    /// How many of older ones are still there.
    pub(super) old: usize,
}

/// Whether objects of this kind have pods that can be waited for.
pub(crate) fn makes_pods(resource: &ApiResource) -> bool {
    WorkloadKind::of(resource).is_ok()
}

impl WorkloadKind {
    fn of(resource: &ApiResource) -> Result<Self, Error> {
        match (resource.group.as_str(), resource.kind.as_str()) {
            ("apps", "Deployment") => Ok(Self::Deployment),
            ("apps", "ReplicaSet") | ("", "ReplicationController") => Ok(Self::ReplicaSet),
            ("apps", "StatefulSet") => Ok(Self::StatefulSet),
            ("apps", "DaemonSet") => Ok(Self::DaemonSet),
            ("batch", "Job") => Ok(Self::Job),
            (_, kind) => Err(Error::unsupported(format!(
                "it is not known which pods a {kind} has"
            ))),
        }
    }
}

impl LiveWorld<'_> {
    /// A workload with its pods.
    ///
    /// # Errors
    /// When its kind has no pods that are known, or the API server does not answer.
    pub(crate) async fn workload(
        &self,
        resource: &ApiResource,
        object: Value,
        namespace: &str,
    ) -> Result<Workload, Error> {
        let kind = WorkloadKind::of(resource)?;
        let made = match kind {
            WorkloadKind::Deployment => Some("replicasets"),
            WorkloadKind::DaemonSet => Some("controllerrevisions"),
            WorkloadKind::ReplicaSet | WorkloadKind::StatefulSet | WorkloadKind::Job => None,
        };
        let place = percent_encode(namespace);
        let mut makers = match made {
            Some(plural) => {
                let path = format!("/apis/apps/v1/namespaces/{place}/{plural}");
                self.items(path).await?
            }
            None => Vec::new(),
        };
        let mut pods = self
            .items(format!("/api/v1/namespaces/{place}/pods"))
            .await?;
        makers.retain(|maker| is_controlled(maker, &object));
        pods.retain(|pod| match kind {
            WorkloadKind::Deployment => makers.iter().any(|set| is_controlled(pod, set)),
            WorkloadKind::ReplicaSet
            | WorkloadKind::StatefulSet
            | WorkloadKind::DaemonSet
            | WorkloadKind::Job => is_controlled(pod, &object),
        });
        let all = pods.len();
        pods.retain(|pod| !is_ending(pod));
        Ok(Workload {
            kind,
            object,
            makers,
            ending: all - pods.len(),
            pods,
        })
    }

    /// The objects of a collection.
    pub(super) async fn items(&self, path: String) -> Result<Vec<Value>, Error> {
        let mut list = self.run.own.fetch_body(path).await?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }
}

/// What the controller of a workload has yet to do before its pods say how far its newest revision
/// is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnseenRollout {
    #[error("its controller has not looked at it yet")]
    Generation,
    #[error("its newest revision has no ReplicaSet yet")]
    ReplicaSet,
    #[error("it has no revision yet")]
    Revision,
}

impl Workload {
    /// How far its newest revision is, or what its controller has yet to do.
    pub(super) fn rollout(&self) -> Result<Rollout<'_>, UnseenRollout> {
        let generation = |at: &Value| at.as_u64().unwrap_or_default();
        let (now, seen) = (
            generation(&self.object["metadata"]["generation"]),
            generation(&self.object["status"]["observedGeneration"]),
        );
        if self.kind != WorkloadKind::Job && seen < now {
            return Err(UnseenRollout::Generation);
        }
        let is_newest: Box<dyn Fn(&Value) -> bool + '_> = match self.kind {
            WorkloadKind::Deployment => {
                let set = self.newest_set().ok_or(UnseenRollout::ReplicaSet)?;
                Box::new(move |pod| is_controlled(pod, set))
            }
            WorkloadKind::StatefulSet => {
                let revision = &self.object["status"]["updateRevision"];
                let kept = self.ordinals_kept();
                Box::new(move |pod| is_of_revision(pod, revision) || ordinal(pod) < kept)
            }
            WorkloadKind::DaemonSet => {
                let revision = self
                    .makers
                    .iter()
                    .max_by_key(|one| one["revision"].as_u64());
                let revision = revision.ok_or(UnseenRollout::Revision)?;
                let hash = &revision["metadata"]["labels"]["controller-revision-hash"];
                Box::new(move |pod| is_of_revision(pod, hash))
            }
            WorkloadKind::ReplicaSet | WorkloadKind::Job => Box::new(|_| true),
        };
        let (pods, old): (Vec<_>, Vec<_>) = self.pods.iter().partition(|pod| is_newest(pod));
        Ok(Rollout {
            wanted: self.count_wanted(),
            pods,
            old: old.len(),
        })
    }

    /// The ReplicaSet of a Deployment's newest revision: the one of the same template, as its
    /// controller finds it.
    pub(super) fn newest_set(&self) -> Option<&Value> {
        let newest = template(&self.object);
        self.makers.iter().find(|set| template(set) == newest)
    }

    /// How many pods it wants.
    pub(super) fn count_wanted(&self) -> usize {
        let (spec, status) = (&self.object["spec"], &self.object["status"]);
        let number = |value: &Value| value.as_u64();
        let count = match self.kind {
            WorkloadKind::Deployment | WorkloadKind::ReplicaSet | WorkloadKind::StatefulSet => {
                number(&spec["replicas"])
            }
            WorkloadKind::DaemonSet => number(&status["desiredNumberScheduled"]),
            WorkloadKind::Job => {
                let at_a_time = number(&spec["parallelism"]).unwrap_or(1);
                let done = number(&status["succeeded"]).unwrap_or(0);
                let left = number(&spec["completions"]).map(|all| all.saturating_sub(done));
                Some(left.map_or(at_a_time, |left| left.min(at_a_time)))
            }
        };
        usize::try_from(count.unwrap_or(0)).unwrap_or(usize::MAX)
    }

    /// Whether its controller has seen that it is to have none. (What a DaemonSet wants hangs on
    /// the nodes.)
    pub(super) fn wants_none(&self) -> bool {
        self.kind != WorkloadKind::DaemonSet
            && !self.is_done()
            && self.rollout().is_ok_and(|rollout| rollout.wanted == 0)
    }

    /// Whether it is a Job that has done its work.
    pub(super) fn is_done(&self) -> bool {
        self.kind == WorkloadKind::Job && find_condition(&self.object, "Complete", "True").is_some()
    }

    /// Below which ordinal the pods of a StatefulSet may be of an older revision.
    fn ordinals_kept(&self) -> u64 {
        let spec = &self.object["spec"];
        let first = spec["ordinals"]["start"].as_u64().unwrap_or(0);
        let partition = spec["updateStrategy"]["rollingUpdate"]["partition"].as_u64();
        partition.map_or(0, |partition| first + partition)
    }
}

impl Workload {
    /// One of these parts, with no pods that end.
    pub(super) fn of(
        kind: WorkloadKind,
        object: Value,
        makers: Vec<Value>,
        pods: Vec<Value>,
    ) -> Self {
        Self {
            kind,
            object,
            makers,
            pods,
            ending: 0,
        }
    }
}

fn is_of_revision(pod: &Value, revision: &Value) -> bool {
    let hash = &pod["metadata"]["labels"]["controller-revision-hash"];
    hash.is_string() && hash == revision
}

/// The number behind a StatefulSet's pod's name.
fn ordinal(pod: &Value) -> u64 {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let number = name
        .rsplit_once('-')
        .and_then(|(_, number)| number.parse().ok());
    number.unwrap_or(u64::MAX)
}

/// A pod template, without the label that a ReplicaSet's has in addition.
fn template(workload: &Value) -> Value {
    let mut template = workload["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn owned(name: &str, owner: &str, labels: Value) -> Value {
        let owner = json!([{"controller": true, "uid": owner}]);
        json!({"metadata": {"name": name, "uid": name, "labels": labels, "ownerReferences": owner}})
    }

    fn told(workload: &Workload) -> Result<(usize, Vec<String>, usize), UnseenRollout> {
        let rollout = workload.rollout()?;
        let names = rollout
            .pods
            .iter()
            .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
        Ok((rollout.wanted, names.collect(), rollout.old))
    }

    fn deployment(observed: u64) -> Workload {
        let template = |image: &str, labels: Value| json!({"metadata": {"labels": labels}, "spec": {"image": image}});
        let set = |name: &str, image: &str| {
            let mut set = owned(name, "d", json!({}));
            set["spec"] = json!({"template": template(image, json!({"app": "a", "pod-template-hash": name}))});
            set
        };
        Workload {
            kind: WorkloadKind::Deployment,
            object: json!({
                "metadata": {"uid": "d", "generation": 2},
                "spec": {"replicas": 1, "template": template("two", json!({"app": "a"}))},
                "status": {"observedGeneration": observed},
            }),
            makers: vec![set("one-set", "one"), set("two-set", "two")],
            pods: vec![
                owned("old", "one-set", json!({})),
                owned("new", "two-set", json!({})),
            ],
            ending: 0,
        }
    }

    #[test]
    fn a_deployments_pods_are_those_of_its_newest_template() {
        assert_eq!(told(&deployment(2)), Ok((1, vec!["new".into()], 1)));
        assert_eq!(told(&deployment(1)), Err(UnseenRollout::Generation));
        let mut young = deployment(2);
        young.makers.pop();
        assert_eq!(told(&young), Err(UnseenRollout::ReplicaSet));
    }

    #[test]
    fn a_stateful_sets_pods_have_its_newest_revision_down_to_the_partition() {
        let hash = |hash: &str| json!({"controller-revision-hash": hash});
        let mut set = Workload {
            kind: WorkloadKind::StatefulSet,
            object: json!({"spec": {"replicas": 2}, "status": {"updateRevision": "b"}}),
            makers: Vec::new(),
            pods: vec![owned("s-0", "s", hash("a")), owned("s-1", "s", hash("b"))],
            ending: 0,
        };
        assert_eq!(told(&set), Ok((2, vec!["s-1".into()], 1)));
        set.object["spec"]["updateStrategy"] = json!({"rollingUpdate": {"partition": 1}});
        assert_eq!(told(&set), Ok((2, vec!["s-0".into(), "s-1".into()], 0)));
    }

    #[test]
    fn a_daemon_sets_pods_have_its_highest_revision() {
        let hash = |hash: &str| json!({"controller-revision-hash": hash});
        let revision = |name: &str, number: u64| {
            let mut one = owned(name, "d", hash(name));
            one["revision"] = json!(number);
            one
        };
        let set = Workload {
            kind: WorkloadKind::DaemonSet,
            object: json!({"status": {"desiredNumberScheduled": 1}}),
            makers: vec![revision("b", 3), revision("a", 2)],
            pods: vec![owned("x", "d", hash("a")), owned("y", "d", hash("b"))],
            ending: 0,
        };
        assert_eq!(told(&set), Ok((1, vec!["y".into()], 1)));
    }

    #[test]
    fn a_job_wants_what_is_left_of_it() {
        let wanted = |spec: Value, status: Value| {
            let job = Workload {
                kind: WorkloadKind::Job,
                object: json!({"spec": spec, "status": status}),
                makers: Vec::new(),
                pods: Vec::new(),
                ending: 0,
            };
            job.count_wanted()
        };
        assert_eq!(wanted(json!({"parallelism": 2}), json!({})), 2);
        assert_eq!(
            wanted(
                json!({"parallelism": 2, "completions": 3}),
                json!({"succeeded": 2})
            ),
            1
        );
    }
}
