//! What is known of the cluster.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::objects::{NamespaceObject, NetworkPolicy, PodObject, WatchedObject};
use super::report::SeenVersions;

/// All objects of one kind.
#[derive(Debug)]
pub(crate) struct ObjectStore<T> {
    objects: BTreeMap<(String, String), T>,
    /// The newest `resourceVersion`; nothing before the first list.
    version: Option<u64>,
}

/// What a list or a watch says of a kind.
#[derive(Debug)]
pub(crate) enum ObjectChange<T> {
    /// These are all of them.
    All(Vec<T>),
    Written(T),
    Deleted(T),
    /// There was no change up to the version.
    None,
}

/// What is known of the cluster.
#[derive(Debug, Default)]
pub(crate) struct ClusterState {
    pub(crate) pods: ObjectStore<PodObject>,
    pub(crate) namespaces: ObjectStore<NamespaceObject>,
    pub(crate) policies: ObjectStore<NetworkPolicy>,
    /// Addresses of this node's pods, by the pods' `uid`, from the plugin that gave them out.
    announced: BTreeMap<String, Vec<IpAddr>>,
}

/// A pod, and one of its addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocatedPod<'a> {
    pub(crate) pod: &'a PodObject,
    pub(crate) address: IpAddr,
}

impl<T> Default for ObjectStore<T> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            version: None,
        }
    }
}

impl<T: WatchedObject> ObjectStore<T> {
    pub(crate) fn take_change(&mut self, change: ObjectChange<T>, version: u64) {
        self.version = Some(version);
        match change {
            ObjectChange::All(objects) => {
                self.objects = objects
                    .into_iter()
                    .map(|object| (object_key(&object), object))
                    .collect()
            }
            ObjectChange::Written(object) => drop(self.objects.insert(object_key(&object), object)),
            ObjectChange::Deleted(object) => drop(self.objects.remove(&object_key(&object))),
            ObjectChange::None => {}
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.objects.values()
    }
}

fn object_key<T: WatchedObject>(object: &T) -> (String, String) {
    let metadata = object.metadata();
    (metadata.namespace.clone(), metadata.name.clone())
}

impl ClusterState {
    /// How far it goes, once every kind was listed.
    pub(crate) fn seen_versions(&self) -> Option<SeenVersions> {
        Some(SeenVersions {
            pods: self.pods.version?,
            namespaces: self.namespaces.version?,
            network_policies: self.policies.version?,
        })
    }

    /// Takes what the network plugin says. It is asked for every sandbox of a pod, and knows before
    /// the pod's status does.
    pub(crate) fn announce_pod(&mut self, uid: String, addresses: Vec<IpAddr>) {
        self.announced.insert(uid, addresses);
    }

    /// Forgets what was announced of pods that are gone.
    pub(crate) fn forget_gone(&mut self, uid: &str) {
        self.announced.remove(uid);
    }

    pub(crate) fn knows_pod(&self, uid: &str) -> bool {
        self.pods.iter().any(|pod| pod.metadata.uid == uid)
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<&NamespaceObject> {
        self.namespaces
            .objects
            .get(&(String::new(), name.to_owned()))
    }

    /// The pods with addresses, by each of them. One that has ended has given its address back; of
    /// two that still claim the same, it is the later one's, and that of one that is being deleted
    /// only when no other pod has it.
    pub(crate) fn located_pods(&self) -> BTreeMap<IpAddr, LocatedPod<'_>> {
        let rank = |pod: &PodObject| {
            (
                pod.metadata.deletion_timestamp.is_none(),
                pod.metadata.creation_timestamp.clone(),
            )
        };
        let mut located: BTreeMap<IpAddr, LocatedPod<'_>> = BTreeMap::new();
        let addresses = self
            .pods
            .iter()
            .flat_map(|pod| self.addresses(pod).into_iter().map(move |one| (pod, one)));
        for (pod, address) in addresses {
            let here = located.get(&address);
            if here.is_none_or(|here| rank(here.pod) < rank(pod)) {
                located.insert(address, LocatedPod { pod, address });
            }
        }
        located
    }

    fn addresses(&self, pod: &PodObject) -> Vec<IpAddr> {
        if pod.spec.host_network || ["Succeeded", "Failed"].contains(&pod.status.phase.as_str()) {
            return Vec::new();
        }
        let told = || {
            pod.status
                .pod_ips
                .iter()
                .filter_map(|one| one.ip.parse().ok())
                .collect()
        };
        self.announced
            .get(&pod.metadata.uid)
            .cloned()
            .unwrap_or_else(told)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn state(pods: Value) -> ClusterState {
        let mut state = ClusterState::default();
        state
            .pods
            .take_change(ObjectChange::All(serde_json::from_value(pods).unwrap()), 1);
        state
    }

    fn names(state: &ClusterState) -> Vec<(String, String)> {
        let one = |(address, located): (IpAddr, LocatedPod<'_>)| {
            (address.to_string(), located.pod.metadata.name.clone())
        };
        state.located_pods().into_iter().map(one).collect()
    }

    fn pod(name: &str, address: &str) -> Value {
        json!({"metadata": {"name": name, "namespace": "a", "uid": name},
            "status": {"phase": "Running", "podIPs": [{"ip": address}]}})
    }

    fn pair(address: &str, name: &str) -> (String, String) {
        (address.into(), name.into())
    }

    #[test]
    fn an_address_is_that_of_whoever_has_it_now() {
        let mut ended = pod("ended", "10.0.0.1");
        ended["status"]["phase"] = json!("Succeeded");
        let mut going = pod("going", "10.0.0.2");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        going["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:09Z");
        let mut host = pod("host", "10.88.0.1");
        host["spec"]["hostNetwork"] = json!(true);
        let later = pod("later", "10.0.0.2");
        let state = state(json!([ended, going, host, later, pod("p", "10.0.0.3")]));
        assert_eq!(
            names(&state),
            [pair("10.0.0.2", "later"), pair("10.0.0.3", "p")]
        );
    }

    #[test]
    fn a_pod_is_at_each_of_its_addresses() {
        let mut both = pod("p", "10.0.0.3");
        both["status"]["podIPs"] = json!([{"ip": "10.0.0.3"}, {"ip": "fd00::3"}, {"ip": "none"}]);
        assert_eq!(
            names(&state(json!([both]))),
            [pair("10.0.0.3", "p"), pair("fd00::3", "p")]
        );
    }

    #[test]
    fn what_was_announced_comes_before_what_the_status_says() {
        let mut state =
            state(json!([pod("p", "10.0.0.3"), {"metadata": {"name": "q", "uid": "q"}}]));
        state.announce_pod("q".into(), vec!["10.0.0.4".parse().unwrap()]);
        state.announce_pod("p".into(), vec!["10.0.0.5".parse().unwrap()]);
        assert_eq!(
            names(&state),
            [pair("10.0.0.4", "q"), pair("10.0.0.5", "p")]
        );
        state.forget_gone("p");
        assert_eq!(
            names(&state),
            [pair("10.0.0.3", "p"), pair("10.0.0.4", "q")]
        );
        assert!(state.knows_pod("q") && !state.knows_pod("r"));
    }

    #[test]
    fn a_list_replaces_what_was_known() {
        let mut state = state(json!([pod("p", "10.0.0.3")]));
        assert_eq!(state.seen_versions(), None);
        state
            .namespaces
            .take_change(ObjectChange::All(Vec::new()), 5);
        state.policies.take_change(ObjectChange::None, 6);
        let p: PodObject = serde_json::from_value(pod("p", "10.0.0.9")).unwrap();
        state.pods.take_change(ObjectChange::Written(p.clone()), 7);
        assert_eq!(
            state.seen_versions(),
            Some(SeenVersions {
                pods: 7,
                namespaces: 5,
                network_policies: 6
            })
        );
        assert_eq!(names(&state), [pair("10.0.0.9", "p")]);
        state.pods.take_change(ObjectChange::Deleted(p), 8);
        assert_eq!(names(&state), []);
    }
}
