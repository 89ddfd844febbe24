//! Pods, namespaces and policies: as much of them as a table is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};

/// A kind that is listed and watched.
pub(crate) trait WatchedObject: DeserializeOwned + Send + 'static {
    /// Where all of the kind are.
    const PATH: &'static str;
    fn metadata(&self) -> &ObjectMetadata;
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ObjectMetadata {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) creation_timestamp: String,
    pub(crate) deletion_timestamp: Option<String>,
    pub(crate) resource_version: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NamespaceObject {
    pub(crate) metadata: ObjectMetadata,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PodObject {
    pub(crate) metadata: ObjectMetadata,
    pub(crate) spec: PodSpec,
    pub(crate) status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodSpec {
    pub(crate) node_name: String,
    pub(crate) host_network: bool,
    pub(crate) containers: Vec<PodContainer>,
    pub(crate) init_containers: Vec<PodContainer>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodContainer {
    pub(crate) ports: Vec<ContainerPort>,
    pub(crate) restart_policy: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerPort {
    pub(crate) name: String,
    pub(crate) container_port: u16,
    pub(crate) protocol: PortProtocol,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodStatus {
    pub(crate) phase: String,
    #[serde(rename = "podIPs")]
    pub(crate) pod_ips: Vec<PodIp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct PodIp {
    pub(crate) ip: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NetworkPolicy {
    pub(crate) metadata: ObjectMetadata,
    pub(crate) spec: PolicySpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PolicySpec {
    pub(crate) pod_selector: LabelSelector,
    pub(crate) policy_types: Vec<String>,
    pub(crate) ingress: Vec<PolicyRule>,
    pub(crate) egress: Vec<PolicyRule>,
}

/// What is let through: an ingress rule has `from`, an egress rule `to`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PolicyRule {
    pub(crate) ports: Vec<PolicyPort>,
    #[serde(alias = "from", alias = "to")]
    pub(crate) peers: Vec<PolicyPeer>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PolicyPort {
    pub(crate) protocol: PortProtocol,
    pub(crate) port: Option<PortReference>,
    pub(crate) end_port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum PortReference {
    Number(u16),
    Name(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum PortProtocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PolicyPeer {
    pub(crate) pod_selector: Option<LabelSelector>,
    pub(crate) namespace_selector: Option<LabelSelector>,
    pub(crate) ip_block: Option<IpBlock>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IpBlock {
    pub(crate) cidr: String,
    pub(crate) except: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LabelSelector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<LabelRequirement>,
}

#[derive(Clone, Debug, Deserialize)]
struct LabelRequirement {
    key: String,
    operator: SelectorOperator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum SelectorOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    /// Whether it picks what has these labels; an empty one picks everything.
    pub(crate) fn picks(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|one| one.holds(labels))
    }
}

impl LabelRequirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            SelectorOperator::In => value.is_some_and(|value| self.values.contains(value)),
            SelectorOperator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
        }
    }
}

impl PodObject {
    /// The ports of this name and protocol. An init container has ports while the others run if it
    /// is a sidecar.
    pub(crate) fn ports<'a>(
        &'a self,
        name: &'a str,
        protocol: PortProtocol,
    ) -> impl Iterator<Item = u16> + 'a {
        let sidecars = self
            .spec
            .init_containers
            .iter()
            .filter(|container| container.restart_policy == "Always");
        let ports = self
            .spec
            .containers
            .iter()
            .chain(sidecars)
            .flat_map(|container| &container.ports);
        ports
            .filter(move |port| port.name == name && port.protocol == protocol)
            .map(|port| port.container_port)
    }
}

macro_rules! objects {
    ($($kind:ty => $path:literal),*) => {$(
        impl WatchedObject for $kind {
            const PATH: &'static str = $path;
            fn metadata(&self) -> &ObjectMetadata {
                &self.metadata
            }
        }
    )*};
}

objects!(
    PodObject => "/api/v1/pods",
    NamespaceObject => "/api/v1/namespaces",
    NetworkPolicy => "/apis/networking.k8s.io/v1/networkpolicies"
);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn picks(selector: Value, labels: Value) -> bool {
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        selector.picks(&serde_json::from_value(labels).unwrap())
    }

    #[test]
    fn selectors_pick_what_they_say() {
        let expression = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "tier", "operator": operator, "values": values}]});
        let (web, none) = (json!({"tier": "web"}), json!({}));
        for (selector, of_web, of_none) in [
            (json!({}), true, true),
            (json!({"matchLabels": {"tier": "web"}}), true, false),
            (
                json!({"matchLabels": {"tier": "web", "app": "a"}}),
                false,
                false,
            ),
            (expression("In", &["db", "web"]), true, false),
            (expression("NotIn", &["web"]), false, true),
            (expression("NotIn", &["db"]), true, true),
            (expression("Exists", &[]), true, false),
            (expression("DoesNotExist", &[]), false, true),
        ] {
            assert_eq!(
                picks(selector.clone(), web.clone()),
                of_web,
                "{selector} {web}"
            );
            assert_eq!(
                picks(selector.clone(), none.clone()),
                of_none,
                "{selector} {none}"
            );
        }
    }

    #[test]
    fn a_rule_is_read_in_both_directions_and_a_port_by_number_and_name() {
        let rule: PolicyRule = serde_json::from_value(json!({
            "ports": [{"port": 80, "endPort": 90, "protocol": "SCTP"}, {"port": "http"}, {}],
            "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        }))
        .unwrap();
        assert_eq!(
            (rule.ports[0].port.clone(), rule.ports[0].protocol),
            (Some(PortReference::Number(80)), PortProtocol::Sctp)
        );
        assert_eq!(
            (rule.ports[1].port.clone(), rule.ports[1].protocol),
            (Some(PortReference::Name("http".into())), PortProtocol::Tcp)
        );
        assert_eq!(rule.ports[2].port, None);
        assert_eq!(rule.peers[0].ip_block.as_ref().unwrap().cidr, "10.0.0.0/8");
        let rule: PolicyRule =
            serde_json::from_value(json!({"from": [{"podSelector": {}}]})).unwrap();
        assert!(rule.peers[0].pod_selector.is_some() && rule.peers[0].namespace_selector.is_none());
    }

    #[test]
    fn a_port_has_a_name_in_containers_and_sidecars() {
        let pod: PodObject = serde_json::from_value(json!({"spec": {
            "containers": [
                {"ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}]},
                {"ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"containerPort": 9}]},
            ],
            "initContainers": [
                {"restartPolicy": "Always", "ports": [{"name": "http", "containerPort": 81}]},
                {"ports": [{"name": "http", "containerPort": 82}]},
            ],
        }}))
        .unwrap();
        assert_eq!(
            pod.ports("http", PortProtocol::Tcp).collect::<Vec<_>>(),
            [80, 81]
        );
        assert_eq!(pod.ports("dns", PortProtocol::Tcp).count(), 0);
        assert_eq!(
            pod.ports("dns", PortProtocol::Udp).collect::<Vec<_>>(),
            [53]
        );
    }
}
