//! Whose an address is: pods, Services and nodes by name, for what has another address in every
//! run.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api::percent_encode;
use probe_protocol::ProbeReport;
use serde_json::Value;

use crate::Error;
use crate::world::LiveWorld;

/// The places of a cluster by their addresses.
#[derive(Debug, Default)]
pub(crate) struct AddressBook(BTreeMap<IpAddr, String>);

impl AddressBook {
    /// What is at this address.
    pub(crate) fn address_name(&self, address: IpAddr) -> String {
        self.0
            .get(&address)
            .cloned()
            .unwrap_or_else(|| "elsewhere".into())
    }

    fn put_address(
        &mut self,
        addresses: impl IntoIterator<Item = IpAddr>,
        name: impl Fn() -> String,
    ) {
        for address in addresses {
            self.0.entry(address).or_insert_with(&name);
        }
    }
}

/// `NAME`, or `NAMESPACE/NAME`; a namespace that begins with `-` follows on the world's own.
pub(crate) fn split_name(name: &str, own: &str) -> (String, String) {
    match name.split_once('/') {
        Some((namespace, name)) if namespace.starts_with('-') => {
            (format!("{own}{namespace}"), name.to_owned())
        }
        Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
        None => (own.to_owned(), name.to_owned()),
    }
}

impl LiveWorld<'_> {
    /// The address, or port, that a placeholder stands for now.
    pub(crate) async fn placeholder_address(
        &self,
        kind: &str,
        rest: &str,
    ) -> Result<String, Error> {
        let (of, is_fit): (_, fn(&IpAddr) -> bool) = match kind.strip_suffix("v6") {
            Some(of) => (of, IpAddr::is_ipv6),
            None => (kind, |_| true),
        };
        let object = if of == "node-ip" {
            self.node_of(rest).await?
        } else {
            self.object_of(of, rest).await?
        };
        if of == "node-port" {
            let port = object
                .pointer("/spec/ports/0/nodePort")
                .and_then(Value::as_u64);
            return port
                .map(|port| port.to_string())
                .ok_or_else(|| Error::scenario(format!("{rest} has none")));
        }
        let fit = object_addresses(&object).into_iter().find(is_fit);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        fit.map(|address| address.to_string()).ok_or_else(|| match object_addresses(&object).is_empty() {
            true => Error::unexpected(format!("{name} has no address")),
            false => Error::scenario(format!(
                "{name} has no IPv6 address: it comes with `dual-stack: true`, and a Service has to ask for it"
            )),
        })
    }

    async fn object_of(&self, of: &str, name: &str) -> Result<Value, Error> {
        let (namespace, name) = split_name(name, self.namespace());
        let kind = if of == "pod-ip" { "pods" } else { "services" };
        let path = format!(
            "/api/v1/namespaces/{}/{kind}/{}",
            percent_encode(&namespace),
            percent_encode(&name)
        );
        Ok(self.run.own.fetch_body(path).await?)
    }

    async fn node_of(&self, number: &str) -> Result<Value, Error> {
        let index = number.parse::<usize>().unwrap_or(1).saturating_sub(1);
        let name = self.run.cluster.facts().nodes.get(index);
        let name = name
            .ok_or_else(|| Error::unsupported(format!("this cluster has no node {}", index + 1)))?;
        let path = format!("/api/v1/nodes/{}", percent_encode(name));
        Ok(self.run.own.fetch_body(path).await?)
    }

    /// The pods of these namespaces.
    pub(crate) async fn pods_in(&self, namespaces: &[String]) -> Result<Vec<Value>, Error> {
        let mut pods = Vec::new();
        for namespace in namespaces {
            let list = self
                .run
                .own
                .fetch_body(format!(
                    "/api/v1/namespaces/{}/pods",
                    percent_encode(namespace)
                ))
                .await?;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            pods.extend(items.into_iter().map(|mut pod| {
                pod["kind"] = "Pod".into(); // items of a list do not say what they are
                pod
            }));
        }
        Ok(pods)
    }

    /// The names for the addresses in a probe's report.
    pub(crate) async fn read_address_book(
        &self,
        told: &ProbeReport,
        pods: &[Value],
    ) -> Result<AddressBook, Error> {
        let mut places = AddressBook::default();
        if told.facts.seen_as.is_none() && told.facts.addresses.is_empty() {
            return Ok(places);
        }
        let nodes = self.run.own.fetch_body("/api/v1/nodes").await?;
        for node in nodes["items"].as_array().into_iter().flatten() {
            let name = || {
                format!(
                    "node {}",
                    node["metadata"]["name"].as_str().unwrap_or_default()
                )
            };
            places.put_address(
                object_addresses(node)
                    .into_iter()
                    .chain(node_gateways(node)),
                name,
            );
        }
        for pod in pods {
            places.put_address(object_addresses(pod), || self.find_object("pod", pod));
        }
        let services = self.run.own.fetch_body("/api/v1/services").await?;
        for service in services["items"].as_array().into_iter().flatten() {
            places.put_address(object_addresses(service), || {
                self.find_object("service", service)
            });
        }
        Ok(places)
    }

    /// An object by kind and name, with the namespace where it is not the world's own.
    fn find_object(&self, kind: &str, object: &Value) -> String {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        if namespace == self.namespace() {
            format!("{kind} {name}")
        } else {
            format!(
                "{kind} {}/{name}",
                namespace.replace(self.namespace(), "$(namespace)")
            )
        }
    }
}

/// The addresses of a pod, a Service or a node, the one of the cluster's first family first. A
/// headless Service has none.
fn object_addresses(object: &Value) -> Vec<IpAddr> {
    let list = |at: &str| {
        object
            .pointer(at)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let of_pod = list("/status/podIPs").map(|one| &one["ip"]);
    let of_service = list("/spec/clusterIPs");
    let of_node = list("/status/addresses")
        .filter(|one| one["type"] == "InternalIP")
        .map(|one| &one["address"]);
    let all = of_pod.chain(of_service).chain(of_node);
    all.filter_map(|address| address.as_str()?.parse().ok())
        .collect()
}

/// The node's own addresses in its pods' networks: the first of each.
fn node_gateways(node: &Value) -> Vec<IpAddr> {
    let networks = node["spec"]["podCIDRs"].as_array().into_iter().flatten();
    let bases = networks.filter_map(|network| network.as_str()?.split_once('/')?.0.parse().ok());
    let first = |base: IpAddr| match base {
        IpAddr::V4(base) => base
            .to_bits()
            .checked_add(1)
            .map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(base) => base
            .to_bits()
            .checked_add(1)
            .map(|bits| Ipv6Addr::from_bits(bits).into()),
    };
    bases.filter_map(first).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let pair = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
        assert_eq!(split_name("web", "ns"), pair("ns", "web"));
        assert_eq!(split_name("-shop/web", "ns"), pair("ns-shop", "web"));
        assert_eq!(
            split_name("kube-system/kube-dns", "ns"),
            pair("kube-system", "kube-dns")
        );
    }

    fn all(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_addresses_are_addresses() {
        let pod = json!({"status": {"podIPs": [{"ip": "10.244.0.2"}, {"ip": "fd00::2"}]}});
        assert_eq!(object_addresses(&pod), all(&["10.244.0.2", "fd00::2"]));
        assert_eq!(
            object_addresses(&json!({"spec": {"clusterIPs": ["10.96.0.9"]}})),
            all(&["10.96.0.9"])
        );
        for none in [
            json!({"spec": {"clusterIPs": ["None"]}}),
            json!({"status": {"podIPs": [{"ip": ""}]}}),
            json!({}),
        ] {
            assert_eq!(object_addresses(&none), all(&[]));
        }
    }

    #[test]
    fn a_node_has_an_address_and_one_in_each_network_of_its_pods() {
        let named = json!([{"type": "Hostname", "address": "one"}, {"type": "InternalIP", "address": "10.88.0.1"}]);
        let node = json!({"spec": {"podCIDRs": ["10.244.16.0/20", "fd00:1::/64"]}, "status": {"addresses": named}});
        assert_eq!(object_addresses(&node), all(&["10.88.0.1"]));
        assert_eq!(node_gateways(&node), all(&["10.244.16.1", "fd00:1::1"]));
        assert_eq!(node_gateways(&json!({})), all(&[]));
    }
}
