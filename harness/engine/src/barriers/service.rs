//! Services in a box: every node has to lead their addresses where the API server says.
//!
//! Between a pod that is ready and a connection through its Service stand two controllers: one of
//! the control plane writes the EndpointSlice, and kube-proxy makes its tables of it on each node.
//! Until both have done so, what nothing blocks looks blocked.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use api::{condition_status, percent_encode};
use cluster::{HostAccess, ProxyReport};
use error_chain::error_chain;
use model::ProcessState;
use serde_json::Value;

use super::sentinels::IN_FORCE_WITHIN;
use crate::Error;
use crate::wait::{ConditionWait, WaitLook};
use crate::world::LiveWorld;

/// The controller that writes EndpointSlices.
const SLICE_WRITER: &str = "endpointslice-controller.k8s.io";

impl LiveWorld<'_> {
    /// Waits until every node leads the Services of these namespaces to the pods that are ready, and
    /// to no other. Says whether all of them could be looked at: there are ways to have a Service
    /// that each node treats in its own way.
    pub(crate) async fn wait_for_services(
        &self,
        host_access: HostAccess<'_>,
        namespaces: &[String],
    ) -> Result<bool, Error> {
        let wait = ConditionWait {
            what: "every node to know the Services",
            within: IN_FORCE_WITHIN,
            every: Duration::from_millis(50),
        };
        self.waiter
            .wait_until(wait, async || {
                let objects = match self.service_objects(host_access, namespaces).await {
                    Ok(objects) => objects,
                    Err(why) => return WaitLook::from(why),
                };
                let nodes = match host_access.proxy_reports() {
                    Ok(nodes) => nodes,
                    Err(why) => return WaitLook::NotYet(error_chain(&why)),
                };
                let late = objects.late_slice().or_else(|| {
                    nodes
                        .iter()
                        .find_map(|node| objects.late_node(node, namespaces))
                });
                let is_whole = !nodes.is_empty() && !objects.services.iter().any(is_uneven);
                late.map_or(WaitLook::Ready(is_whole), WaitLook::NotYet)
            })
            .await
    }

    async fn service_objects(
        &self,
        host_access: HostAccess<'_>,
        namespaces: &[String],
    ) -> Result<ServiceObjects, Error> {
        let list = async |group: &str, kind: &str| {
            let mut found = Vec::new();
            for namespace in namespaces {
                let path = format!("{group}/namespaces/{}/{kind}", percent_encode(namespace));
                let mut list = self.run.own.fetch_body(path).await?;
                if let Value::Array(items) = list["items"].take() {
                    found.extend(items);
                }
            }
            Ok::<_, Error>(found)
        };
        let manager = host_access.process_status("kube-controller-manager");
        Ok(ServiceObjects {
            services: list("/api/v1", "services").await?,
            slices: list("/apis/discovery.k8s.io/v1", "endpointslices").await?,
            pods: self.pods_in(namespaces).await?,
            slices_are_kept: manager.is_some_and(|one| one.state == ProcessState::Alive),
        })
    }
}

/// What the API server knows of Services and what is behind them.
struct ServiceObjects {
    services: Vec<Value>,
    slices: Vec<Value>,
    pods: Vec<Value>,
    /// Whether the controller that writes slices is there.
    slices_are_kept: bool,
}

impl ServiceObjects {
    /// What a slice does not say yet, or still says.
    fn late_slice(&self) -> Option<String> {
        if !self.slices_are_kept {
            return None;
        }
        self.missing_pod().or_else(|| self.stale_endpoint())
    }

    /// A pod that is ready, and not yet behind a Service that selects it.
    fn missing_pod(&self) -> Option<String> {
        self.services.iter().find_map(|service| {
            let known = self.endpoint_addresses(service, is_ready_endpoint);
            let families = words_of(&service["spec"]["ipFamilies"]);
            let is_behind = |pod: &Value| {
                pod_addresses(pod)
                    .iter()
                    .filter(|address| families.contains(family_of(address)))
                    .all(|address| known.contains(address))
            };
            let mut pods = self.pods.iter().filter(|pod| is_kept(service, pod));
            let late = pods.find(|pod| is_ready_pod(pod) && !is_behind(pod))?;
            Some(format!(
                "pod {} is ready, and not yet behind the Service {}",
                text_of(late, "name"),
                text_of(service, "name")
            ))
        })
    }

    /// A pod that is gone, not selected any more or not ready, and still behind a Service.
    fn stale_endpoint(&self) -> Option<String> {
        self.services.iter().find_map(|service| {
            let takes_all = service["spec"]["publishNotReadyAddresses"] == true;
            let belongs = |target: &Value| {
                let pod = self
                    .pods
                    .iter()
                    .find(|pod| pod["metadata"]["uid"] == target["uid"]);
                pod.is_some_and(|pod| is_selected(service, pod) && (takes_all || is_ready_pod(pod)))
            };
            let written = self.slices_of(service).filter(|slice| {
                slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
                    == SLICE_WRITER
            });
            let mut targets = written
                .flat_map(|slice| items_of(&slice["endpoints"]))
                .filter(|endpoint| is_ready_endpoint(endpoint))
                .map(|endpoint| &endpoint["targetRef"])
                .filter(|target| target["kind"] == "Pod");
            let stale = targets.find(|target| !belongs(target))?;
            Some(format!(
                "pod {} is still behind the Service {}",
                stale["name"].as_str().unwrap_or_default(),
                text_of(service, "name")
            ))
        })
    }

    /// What a node does not do yet, or still does.
    fn late_node(&self, report: &ProxyReport, namespaces: &[String]) -> Option<String> {
        let ProxyReport { node, endpoints } = report;
        let even = self.services.iter().filter(|one| is_even(one));
        let wrong = even.clone().find_map(|service| {
            let wanted = self.used_addresses(service);
            let leads = endpoints.get(&key_of(service)).cloned().unwrap_or_default();
            (leads != wanted).then(|| {
                format!(
                    "{node} leads the Service {} to {}, and not to {}",
                    text_of(service, "name"),
                    in_words(&leads),
                    in_words(&wanted)
                )
            })
        });
        wrong.or_else(|| {
            let there: BTreeSet<_> = self.services.iter().map(key_of).collect();
            let gone = endpoints
                .keys()
                .find(|key| namespaces.contains(&key.0) && !there.contains(*key))?;
            Some(format!("{node} still knows the Service {}", gone.1))
        })
    }

    /// The addresses behind a Service that kube-proxy uses (`pkg/proxy/topology.go`): those that are
    /// ready, and where there are none, those that serve while they end.
    fn used_addresses(&self, service: &Value) -> BTreeSet<IpAddr> {
        let ready = self.endpoint_addresses(service, is_ready_endpoint);
        if ready.is_empty() {
            self.endpoint_addresses(service, serves_while_it_ends)
        } else {
            ready
        }
    }

    /// The addresses of endpoints at the Service's own ports, as kube-proxy reads them
    /// (`pkg/proxy/endpointslicecache.go`): a port has a number, and only the first address counts.
    fn endpoint_addresses(&self, service: &Value, counts: fn(&Value) -> bool) -> BTreeSet<IpAddr> {
        let ports: BTreeSet<_> = items_of(&service["spec"]["ports"]).map(port_key).collect();
        let has_port = |slice: &&Value| {
            let numbered = items_of(&slice["ports"])
                .filter(|port| port["port"].as_u64().unwrap_or_default() > 0);
            numbered.map(port_key).any(|port| ports.contains(&port))
        };
        self.slices_of(service)
            .filter(has_port)
            .flat_map(|slice| items_of(&slice["endpoints"]))
            .filter(|endpoint| counts(endpoint))
            .filter_map(|endpoint| endpoint["addresses"][0].as_str()?.parse().ok())
            .collect()
    }

    /// The slices of a Service, of its own families.
    fn slices_of(&self, service: &Value) -> impl Iterator<Item = &Value> {
        let families: BTreeSet<String> = items_of(&service["spec"]["ipFamilies"])
            .filter_map(|family| family.as_str().map(str::to_owned))
            .collect();
        let (namespace, name) = key_of(service);
        self.slices.iter().filter(move |slice| {
            let labels = &slice["metadata"]["labels"];
            slice["metadata"]["namespace"] == namespace.as_str()
                && labels["kubernetes.io/service-name"] == name.as_str()
                && slice["addressType"]
                    .as_str()
                    .is_some_and(|kind| families.contains(kind))
        })
    }
}

/// Whether kube-proxy has an address of it to lead anywhere.
fn has_address(service: &Value) -> bool {
    let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
    !address.is_empty() && address != "None"
}

/// Whether kube-proxy leads its address to every endpoint alike, on every node.
fn is_even(service: &Value) -> bool {
    let (spec, metadata) = (&service["spec"], &service["metadata"]);
    let is_labelled = |label: &str| !metadata["labels"][label].is_null();
    has_address(service)
        && spec["internalTrafficPolicy"] != "Local"
        && spec["trafficDistribution"].is_null()
        && metadata["annotations"]["service.kubernetes.io/topology-mode"].is_null()
        && !is_labelled("service.kubernetes.io/service-proxy-name")
        && !is_labelled("service.kubernetes.io/headless")
}

/// Whether a node may lead one of its addresses elsewhere, or nowhere.
fn is_uneven(service: &Value) -> bool {
    has_address(service)
        && (!is_even(service) || service["spec"]["externalTrafficPolicy"] == "Local")
}

/// Whether a controller puts this pod behind the Service: it is selected, and has one of the ports.
fn is_kept(service: &Value, pod: &Value) -> bool {
    service["spec"]["type"] != "ExternalName"
        && is_selected(service, pod)
        && items_of(&service["spec"]["ports"]).any(|port| has_port(pod, port))
}

/// Whether a pod has the port that a Service leads to, by its number or by its name.
fn has_port(pod: &Value, port: &Value) -> bool {
    let Some(name) = port["targetPort"].as_str() else {
        return true;
    };
    let spec = &pod["spec"];
    let sidecars = items_of(&spec["initContainers"]).filter(|one| one["restartPolicy"] == "Always");
    items_of(&spec["containers"])
        .chain(sidecars)
        .flat_map(|container| items_of(&container["ports"]))
        .any(|own| own["name"] == name && protocol_of(own) == protocol_of(port))
}

fn is_selected(service: &Value, pod: &Value) -> bool {
    let labels = &pod["metadata"]["labels"];
    let selector = service["spec"]["selector"].as_object();
    let is_matched = selector.is_some_and(|selector| {
        !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value)
    });
    is_matched && service["metadata"]["namespace"] == pod["metadata"]["namespace"]
}

fn is_ready_pod(pod: &Value) -> bool {
    let phase = pod["status"]["phase"].as_str();
    pod["metadata"]["deletionTimestamp"].is_null()
        && !matches!(phase, Some("Succeeded" | "Failed"))
        && condition_status(pod, "Ready") == Some("True")
}

fn is_ready_endpoint(endpoint: &Value) -> bool {
    endpoint["conditions"]["ready"] != false
}

fn serves_while_it_ends(endpoint: &Value) -> bool {
    let conditions = &endpoint["conditions"];
    conditions["serving"] == true && conditions["terminating"] == true
}

fn pod_addresses(pod: &Value) -> BTreeSet<IpAddr> {
    items_of(&pod["status"]["podIPs"])
        .filter_map(|one| one["ip"].as_str()?.parse().ok())
        .collect()
}

fn key_of(service: &Value) -> (String, String) {
    (
        text_of(service, "namespace").to_owned(),
        text_of(service, "name").to_owned(),
    )
}

fn text_of<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

fn items_of(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn words_of(list: &Value) -> BTreeSet<&str> {
    items_of(list).filter_map(Value::as_str).collect()
}

/// What tells the ports of one Service apart.
fn port_key(port: &Value) -> (&str, &str) {
    (port["name"].as_str().unwrap_or_default(), protocol_of(port))
}

fn protocol_of(port: &Value) -> &str {
    port["protocol"].as_str().unwrap_or("TCP")
}

fn family_of(address: &IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}

fn in_words(addresses: &BTreeSet<IpAddr>) -> String {
    if addresses.is_empty() {
        return "no address".into();
    }
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service() -> Value {
        json!({
            "metadata": {"namespace": "shop", "name": "front"},
            "spec": {
                "clusterIP": "10.96.0.9", "ipFamilies": ["IPv4"], "selector": {"app": "web"},
                "ports": [{"port": 80, "targetPort": 8080}],
            },
        })
    }

    fn pod(name: &str, address: &str) -> Value {
        json!({
            "metadata": {
                "namespace": "shop", "name": name, "uid": name, "labels": {"app": "web", "x": "y"},
            },
            "status": {
                "phase": "Running", "podIPs": [{"ip": address}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        })
    }

    fn slice(pods: &[(&str, &str)]) -> Value {
        let endpoints: Vec<Value> = pods
            .iter()
            .map(|(name, address)| {
                json!({
                    "addresses": [address], "conditions": {"ready": true},
                    "targetRef": {"kind": "Pod", "name": name, "uid": name},
                })
            })
            .collect();
        json!({
            "metadata": {"namespace": "shop", "name": "front-1", "labels": {
                "kubernetes.io/service-name": "front",
                "endpointslice.kubernetes.io/managed-by": SLICE_WRITER,
            }},
            "addressType": "IPv4", "ports": [{"name": "", "port": 8080}], "endpoints": endpoints,
        })
    }

    fn objects(pods: &[(&str, &str)], behind: &[(&str, &str)]) -> ServiceObjects {
        ServiceObjects {
            services: vec![service()],
            slices: vec![slice(behind)],
            pods: pods
                .iter()
                .map(|(name, address)| pod(name, address))
                .collect(),
            slices_are_kept: true,
        }
    }

    /// What is late at a node that leads these Services to these addresses.
    fn late_node(known: &ServiceObjects, endpoints: &[(&str, &[&str])]) -> Option<String> {
        let of_service = |(name, addresses): &(&str, &[&str])| {
            let addresses = addresses.iter().map(|one| one.parse().unwrap()).collect();
            (("shop".to_owned(), (*name).to_owned()), addresses)
        };
        let report = ProxyReport {
            node: "node-1".into(),
            endpoints: endpoints.iter().map(of_service).collect(),
        };
        known.late_node(&report, &["shop".to_owned()])
    }

    const A: (&str, &str) = ("a", "10.244.0.2");
    const B: (&str, &str) = ("b", "10.244.0.3");

    const UNREADY: [fn(&mut Value); 3] = [
        |pod| pod["status"]["conditions"][0]["status"] = "False".into(),
        |pod| pod["metadata"]["deletionTimestamp"] = "2026-11-30T00:00:00Z".into(),
        |pod| pod["metadata"]["labels"]["app"] = "db".into(),
    ];

    #[test]
    fn a_slice_has_every_pod_that_is_ready_and_no_other() {
        assert_eq!(objects(&[A, B], &[A, B]).late_slice(), None);
        let late = objects(&[A, B], &[A]).late_slice().unwrap();
        assert_eq!(late, "pod b is ready, and not yet behind the Service front");
        let stale = "pod b is still behind the Service front";
        assert_eq!(objects(&[A], &[A, B]).late_slice().unwrap(), stale);
        for is_unready in UNREADY {
            let mut behind = objects(&[A, B], &[A, B]);
            is_unready(&mut behind.pods[1]);
            assert_eq!(behind.late_slice().as_deref(), Some(stale));
            let mut away = objects(&[A, B], &[A]);
            is_unready(&mut away.pods[1]);
            assert_eq!(away.late_slice(), None);
        }
        let mut all = objects(&[A, B], &[A, B]);
        UNREADY[0](&mut all.pods[1]);
        all.services[0]["spec"]["publishNotReadyAddresses"] = true.into();
        assert_eq!(all.late_slice(), None);
        let mut without = objects(&[A, B], &[]);
        without.slices_are_kept = false;
        assert_eq!(without.late_slice(), None, "nobody would write it");
    }

    #[test]
    fn both_addresses_of_a_pod_are_behind_a_service_of_both_families() {
        let mut known = objects(&[A], &[A]);
        known.services[0]["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
        known.pods[0]["status"]["podIPs"] = json!([{"ip": A.1}, {"ip": "fd00::2"}]);
        assert!(known.late_slice().is_some());
        let mut second = slice(&[("a", "fd00::2")]);
        second["addressType"] = "IPv6".into();
        known.slices.push(second);
        assert_eq!(known.late_slice(), None);
        assert!(late_node(&known, &[("front", &[A.1])]).is_some());
        assert_eq!(late_node(&known, &[("front", &[A.1, "fd00::2"])]), None);
    }

    #[test]
    fn a_pod_without_the_named_port_is_not_expected() {
        let mut known = objects(&[A], &[]);
        known.services[0]["spec"]["ports"] = json!([{"port": 80, "targetPort": "web"}]);
        assert_eq!(known.late_slice(), None);
        known.pods[0]["spec"] = json!({"containers": [{"ports": [{"name": "web"}]}]});
        assert!(known.late_slice().is_some());
    }

    #[test]
    fn a_node_leads_to_every_endpoint_and_to_no_other() {
        let known = objects(&[A, B], &[A, B]);
        assert_eq!(late_node(&known, &[("front", &[A.1, B.1])]), None);
        for (leads, words) in [
            (&[][..], "no address"),
            (&[A.1][..], A.1),
            (
                &[A.1, B.1, "10.244.0.9"][..],
                "10.244.0.2, 10.244.0.3, 10.244.0.9",
            ),
        ] {
            let late = late_node(&known, &[("front", leads)]).unwrap();
            let wanted = "and not to 10.244.0.2, 10.244.0.3";
            let whole = format!("node-1 leads the Service front to {words}, {wanted}");
            assert_eq!(late, whole);
        }
        let gone = late_node(&known, &[("front", &[A.1, B.1]), ("old", &[A.1])]);
        assert_eq!(gone.as_deref(), Some("node-1 still knows the Service old"));
    }

    #[test]
    fn without_any_that_is_ready_those_that_end_may_serve() {
        let mut known = objects(&[], &[A]);
        known.slices[0]["endpoints"][0]["conditions"] = json!({"ready": false});
        assert_eq!(late_node(&known, &[]), None);
        assert!(late_node(&known, &[("front", &[A.1])]).is_some());
        known.slices[0]["endpoints"][0]["conditions"] =
            json!({"ready": false, "serving": true, "terminating": true});
        assert_eq!(late_node(&known, &[("front", &[A.1])]), None);
    }

    #[test]
    fn the_last_service_is_missed_once_it_is_gone() {
        let mut known = objects(&[A], &[]);
        known.services.clear();
        assert_eq!(late_node(&known, &[]), None);
        assert!(late_node(&known, &[("front", &[A.1])]).is_some());
    }

    #[test]
    fn services_that_nodes_treat_in_their_own_way_are_told_apart() {
        for (field, value, is_looked_at) in [
            ("clusterIP", json!("None"), false),
            ("internalTrafficPolicy", json!("Local"), false),
            ("trafficDistribution", json!("PreferClose"), false),
            ("externalTrafficPolicy", json!("Local"), true),
        ] {
            let mut known = objects(&[A], &[A]);
            assert!(late_node(&known, &[]).is_some());
            assert!(!is_uneven(&known.services[0]));
            known.services[0]["spec"][field] = value;
            assert_eq!(late_node(&known, &[]).is_some(), is_looked_at, "{field}");
            assert_eq!(
                is_uneven(&known.services[0]),
                field != "clusterIP",
                "{field}"
            );
        }
    }

    #[test]
    fn slices_of_another_port_or_family_do_not_count() {
        for (field, value) in [
            ("addressType", json!("IPv6")),
            ("ports", json!([{"name": "x", "port": 8080}])),
            (
                "ports",
                json!([{"name": "", "port": 8080, "protocol": "UDP"}]),
            ),
            ("ports", json!([{"name": ""}])),
        ] {
            let mut known = objects(&[A], &[A]);
            known.slices[0][field] = value;
            assert_eq!(late_node(&known, &[]), None, "{field}");
        }
        let mut two = objects(&[A], &[A]);
        two.slices[0]["endpoints"][0]["addresses"] = json!([A.1, B.1]);
        assert_eq!(late_node(&two, &[("front", &[A.1])]), None);
    }
}
