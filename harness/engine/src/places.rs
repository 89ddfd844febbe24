//! Whose an address is: pods, Services and nodes by name, for what has another address in every run.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use model::Told;
use serde_json::Value;

use crate::request::encode;
use crate::world::World;

/// The places of a cluster by their addresses.
#[derive(Debug, Default)]
pub(crate) struct Places(BTreeMap<IpAddr, String>);

impl Places {
    /// What is at this address.
    pub(crate) fn name(&self, address: IpAddr) -> String {
        self.0.get(&address).cloned().unwrap_or_else(|| "elsewhere".into())
    }

    fn put(&mut self, address: &Value, name: impl FnOnce() -> String) {
        if let Some(address) = address.as_str().and_then(|text| text.parse().ok()) {
            self.0.entry(address).or_insert_with(name);
        }
    }
}

/// `NAME`, or `NAMESPACE/NAME`; a namespace that begins with `-` follows on the world's own.
pub(crate) fn split(name: &str, own: &str) -> (String, String) {
    match name.split_once('/') {
        Some((namespace, name)) if namespace.starts_with('-') => (format!("{own}{namespace}"), name.to_owned()),
        Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
        None => (own.to_owned(), name.to_owned()),
    }
}

impl World<'_> {
    /// The address that a placeholder stands for now.
    pub(crate) async fn address(&self, kind: &str, rest: &str) -> Result<String, String> {
        let (namespace, name) = split(rest, self.namespace());
        let (namespace, named) = (encode(&namespace), encode(&name));
        let (path, at) = match kind {
            "pod-ip" => (format!("/api/v1/namespaces/{namespace}/pods/{named}"), "/status/podIP"),
            "service-ip" => (format!("/api/v1/namespaces/{namespace}/services/{named}"), "/spec/clusterIP"),
            "node-port" => (format!("/api/v1/namespaces/{namespace}/services/{named}"), "/spec/ports/0/nodePort"),
            _ => return self.node_address(rest).await,
        };
        let object = self.lab.own.fetch(path).await?;
        stands(object.pointer(at)).ok_or_else(|| format!("{name} has none"))
    }

    async fn node_address(&self, number: &str) -> Result<String, String> {
        let index = number.parse::<usize>().unwrap_or(1).saturating_sub(1);
        let name = self.lab.cluster.facts().nodes.get(index);
        let name = name.ok_or_else(|| format!("this cluster has no node {}", index + 1))?;
        let node = self.lab.own.fetch(format!("/api/v1/nodes/{}", encode(name))).await?;
        let address = internal(&node).and_then(Value::as_str);
        address.map(str::to_owned).ok_or_else(|| format!("the node {name} has no address"))
    }

    /// The pods of these namespaces.
    pub(crate) async fn pods_in(&self, namespaces: &[String]) -> Result<Vec<Value>, String> {
        let mut pods = Vec::new();
        for namespace in namespaces {
            let list = self.lab.own.fetch(format!("/api/v1/namespaces/{}/pods", encode(namespace))).await?;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            pods.extend(items.into_iter().map(|mut pod| {
                pod["kind"] = "Pod".into(); // items of a list do not say what they are
                pod
            }));
        }
        Ok(pods)
    }

    /// The names for the addresses that a probe told of.
    pub(crate) async fn places(&self, told: &Told, pods: &[Value]) -> Result<Places, String> {
        let mut places = Places::default();
        if told.seen_as.is_none() && told.addresses.is_empty() {
            return Ok(places);
        }
        let nodes = self.lab.own.fetch("/api/v1/nodes").await?;
        for node in nodes["items"].as_array().into_iter().flatten() {
            let name = || format!("node {}", node["metadata"]["name"].as_str().unwrap_or_default());
            if let Some(address) = internal(node) {
                places.put(address, name);
            }
            if let Some(gateway) = gateway(node) {
                places.put(&Value::from(gateway.to_string()), name);
            }
        }
        for pod in pods {
            places.put(&pod["status"]["podIP"], || self.called("pod", pod));
        }
        let services = self.lab.own.fetch("/api/v1/services").await?;
        for service in services["items"].as_array().into_iter().flatten() {
            places.put(&service["spec"]["clusterIP"], || self.called("service", service));
        }
        Ok(places)
    }

    /// An object by kind and name, with the namespace where it is not the world's own.
    fn called(&self, kind: &str, object: &Value) -> String {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        if namespace == self.namespace() {
            format!("{kind} {name}")
        } else {
            format!("{kind} {}/{name}", namespace.replace(self.namespace(), "$(namespace)"))
        }
    }
}

/// An address or a port; a headless Service says `None` instead.
fn stands(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str().filter(|text| text.parse::<IpAddr>().is_ok()).map(str::to_owned);
    text.or_else(|| value?.as_u64().map(|port| port.to_string()))
}

fn internal(node: &Value) -> Option<&Value> {
    let addresses = node["status"]["addresses"].as_array()?;
    addresses.iter().find(|address| address["type"] == "InternalIP").map(|address| &address["address"])
}

/// The node's own address in its pods' network: the first.
fn gateway(node: &Value) -> Option<Ipv4Addr> {
    let (base, _) = node["spec"]["podCIDR"].as_str()?.split_once('/')?;
    base.parse::<Ipv4Addr>().ok()?.to_bits().checked_add(1).map(Ipv4Addr::from_bits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let pair = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
        assert_eq!(split("web", "ns"), pair("ns", "web"));
        assert_eq!(split("-shop/web", "ns"), pair("ns-shop", "web"));
        assert_eq!(split("kube-system/kube-dns", "ns"), pair("kube-system", "kube-dns"));
    }

    #[test]
    fn only_addresses_and_ports_stand_for_something() {
        for (value, wanted) in [
            (json!("10.0.0.1"), Some("10.0.0.1")),
            (json!(31080), Some("31080")),
            (json!("None"), None),
            (json!(""), None),
        ] {
            assert_eq!(stands(Some(&value)).as_deref(), wanted);
        }
        assert_eq!(stands(None), None);
    }

    #[test]
    fn a_node_has_two_addresses() {
        let addresses = json!([{"type": "Hostname", "address": "one"}, {"type": "InternalIP", "address": "10.88.0.1"}]);
        let node = json!({"spec": {"podCIDR": "10.244.16.0/20"}, "status": {"addresses": addresses}});
        assert_eq!(internal(&node), Some(&json!("10.88.0.1")));
        assert_eq!(gateway(&node), Some(Ipv4Addr::new(10, 244, 16, 1)));
        assert_eq!((internal(&json!({})), gateway(&json!({}))), (None, None));
    }
}
