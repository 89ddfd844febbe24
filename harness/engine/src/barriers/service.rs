//! Services in a box: every node has to lead their addresses where the API server says.
//!
//! Between a pod that is ready and a connection through its Service stand two controllers: one of
//! the control plane writes the EndpointSlice, and kube-proxy makes its tables of it on each node.
//! Until both have done so, what nothing blocks looks blocked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use api::percent_encode;
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
    /// Waits until every node leads the Services of these namespaces to the pods that are ready.
    pub(crate) async fn wait_for_services(
        &self,
        host_access: HostAccess<'_>,
        namespaces: &[String],
    ) -> Result<(), Error> {
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
                if objects.services.is_empty() {
                    return WaitLook::Ready(());
                }
                let late = objects.late_slice().or_else(|| {
                    let reports = host_access.proxy_reports();
                    reports.map_or_else(
                        |why| Some(error_chain(&why)),
                        |reports| reports.iter().find_map(|node| objects.late_node(node)),
                    )
                });
                late.map_or(WaitLook::Ready(()), WaitLook::NotYet)
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
        let services = list("/api/v1", "services").await?;
        if services.is_empty() {
            return Ok(ServiceObjects::default());
        }
        let manager = host_access.process_status("kube-controller-manager");
        Ok(ServiceObjects {
            services,
            slices: list("/apis/discovery.k8s.io/v1", "endpointslices").await?,
            pods: self.pods_in(namespaces).await?,
            slices_are_kept: manager.is_some_and(|one| one.state == ProcessState::Alive),
        })
    }
}

/// What the API server knows of Services and what is behind them.
#[derive(Default)]
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
        self.services
            .iter()
            .filter(|one| is_kept(one))
            .find_map(|service| {
                let known = self.ready_addresses(service);
                let mut pods = self.pods.iter().filter(|pod| is_selected(service, pod));
                let late =
                    pods.find(|pod| is_ready(pod) && known.is_disjoint(&pod_addresses(pod)))?;
                Some(format!(
                    "pod {} is ready, and not yet behind the Service {}",
                    text_of(late, "name"),
                    text_of(service, "name")
                ))
            })
    }

    /// A pod that is gone, and still behind a Service.
    fn stale_endpoint(&self) -> Option<String> {
        let there: BTreeSet<&str> = self
            .pods
            .iter()
            .filter_map(|pod| pod["metadata"]["uid"].as_str())
            .collect();
        let kept = self.slices.iter().filter(|slice| {
            slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == SLICE_WRITER
        });
        let mut targets = kept
            .flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten())
            .map(|endpoint| &endpoint["targetRef"])
            .filter(|target| target["kind"] == "Pod");
        let stale = targets.find(|target| {
            target["uid"]
                .as_str()
                .is_some_and(|uid| !there.contains(uid))
        })?;
        let name = stale["name"].as_str().unwrap_or_default();
        Some(format!("pod {name} is gone, and still behind a Service"))
    }

    /// What a node does not do yet, or still does.
    fn late_node(&self, report: &ProxyReport) -> Option<String> {
        let ProxyReport { node, endpoints } = report;
        let led = |key: &(String, String)| endpoints.get(key).cloned().unwrap_or_default();
        let wrong = self
            .services
            .iter()
            .filter(|one| is_even(one))
            .find_map(|service| {
                let wanted = self.ready_addresses(service);
                let leads = led(&key_of(service));
                // Without any that is ready, those that are being deleted may serve.
                let is_late = !wanted.is_empty() && leads != wanted;
                is_late.then(|| {
                    format!(
                        "{node} leads the Service {} to {}, and not yet to {}",
                        text_of(service, "name"),
                        in_words(&leads),
                        in_words(&wanted)
                    )
                })
            });
        wrong.or_else(|| {
            let there: BTreeMap<_, _> = self.services.iter().map(|one| (key_of(one), ())).collect();
            let ours = |namespace: &str| there.keys().any(|(known, _)| known == namespace);
            let gone = endpoints
                .keys()
                .find(|key| ours(&key.0) && !there.contains_key(key))?;
            Some(format!("{node} still knows the Service {}", gone.1))
        })
    }

    /// The addresses behind a Service that kube-proxy uses: of its own families and ports.
    fn ready_addresses(&self, service: &Value) -> BTreeSet<IpAddr> {
        let families = words_of(&service["spec"]["ipFamilies"]);
        let ports: BTreeSet<&str> = items_of(&service["spec"]["ports"]).map(port_name).collect();
        let of_service = self.slices.iter().filter(|slice| {
            slice["metadata"]["namespace"] == service["metadata"]["namespace"]
                && slice["metadata"]["labels"]["kubernetes.io/service-name"]
                    == service["metadata"]["name"]
                && slice["addressType"]
                    .as_str()
                    .is_some_and(|kind| families.contains(kind))
                && items_of(&slice["ports"]).any(|port| ports.contains(port_name(port)))
        });
        of_service
            .flat_map(|slice| items_of(&slice["endpoints"]))
            .filter(|endpoint| endpoint["conditions"]["ready"] != false)
            .flat_map(|endpoint| items_of(&endpoint["addresses"]))
            .filter_map(|address| address.as_str()?.parse().ok())
            .collect()
    }
}

/// Whether kube-proxy leads its address to every endpoint alike, on every node.
fn is_even(service: &Value) -> bool {
    let (spec, notes) = (&service["spec"], &service["metadata"]["annotations"]);
    let address = spec["clusterIP"].as_str().unwrap_or_default();
    let is_own =
        service["metadata"]["labels"]["service.kubernetes.io/service-proxy-name"].is_null();
    !address.is_empty()
        && address != "None"
        && is_own
        && spec["internalTrafficPolicy"] != "Local"
        && spec["trafficDistribution"].is_null()
        && notes["service.kubernetes.io/topology-mode"].is_null()
}

/// Whether a controller keeps its endpoints, at ports that every pod has.
fn is_kept(service: &Value) -> bool {
    let ports = &service["spec"]["ports"];
    let is_number = |port: &Value| !port["targetPort"].is_string();
    service["spec"]["type"] != "ExternalName"
        && service["spec"]["selector"]
            .as_object()
            .is_some_and(|selector| !selector.is_empty())
        && items_of(ports).all(is_number)
        && items_of(ports).next().is_some()
}

fn is_selected(service: &Value, pod: &Value) -> bool {
    let selector = service["spec"]["selector"].as_object();
    let labels = &pod["metadata"]["labels"];
    service["metadata"]["namespace"] == pod["metadata"]["namespace"]
        && selector
            .into_iter()
            .flatten()
            .all(|(key, value)| labels[key] == *value)
}

fn is_ready(pod: &Value) -> bool {
    let mut conditions = items_of(&pod["status"]["conditions"]);
    pod["metadata"]["deletionTimestamp"].is_null()
        && pod["status"]["phase"] == "Running"
        && conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
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

fn port_name(port: &Value) -> &str {
    port["name"].as_str().unwrap_or_default()
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

    fn node(endpoints: &[(&str, &[&str])]) -> ProxyReport {
        let of_service = |(name, addresses): &(&str, &[&str])| {
            let addresses = addresses.iter().map(|one| one.parse().unwrap()).collect();
            (("shop".to_owned(), (*name).to_owned()), addresses)
        };
        ProxyReport {
            node: "node-1".into(),
            endpoints: endpoints.iter().map(of_service).collect(),
        }
    }

    const A: (&str, &str) = ("a", "10.244.0.2");
    const B: (&str, &str) = ("b", "10.244.0.3");

    #[test]
    fn a_slice_has_every_pod_that_is_ready_and_none_that_is_gone() {
        assert_eq!(objects(&[A, B], &[A, B]).late_slice(), None);
        let late = objects(&[A, B], &[A]).late_slice().unwrap();
        assert_eq!(late, "pod b is ready, and not yet behind the Service front");
        let stale = objects(&[A], &[A, B]).late_slice().unwrap();
        assert_eq!(stale, "pod b is gone, and still behind a Service");
        for is_unready in [
            |pod: &mut Value| pod["status"]["conditions"][0]["status"] = "False".into(),
            |pod: &mut Value| pod["metadata"]["deletionTimestamp"] = "2026-11-30T00:00:00Z".into(),
            |pod: &mut Value| pod["metadata"]["labels"]["app"] = "db".into(),
        ] {
            let mut known = objects(&[A, B], &[A]);
            is_unready(&mut known.pods[1]);
            assert_eq!(known.late_slice(), None);
        }
        let mut without = objects(&[A, B], &[]);
        without.slices_are_kept = false;
        assert_eq!(without.late_slice(), None, "nobody would write it");
    }

    #[test]
    fn a_node_leads_to_every_endpoint_and_to_no_other() {
        let known = objects(&[A, B], &[A, B]);
        assert_eq!(known.late_node(&node(&[("front", &[A.1, B.1])])), None);
        for (leads, words) in [
            (&[][..], "no address"),
            (&[A.1][..], A.1),
            (
                &[A.1, B.1, "10.244.0.9"][..],
                "10.244.0.2, 10.244.0.3, 10.244.0.9",
            ),
        ] {
            let late = known.late_node(&node(&[("front", leads)])).unwrap();
            let wanted = "and not yet to 10.244.0.2, 10.244.0.3";
            assert_eq!(
                late,
                format!("node-1 leads the Service front to {words}, {wanted}")
            );
        }
        let gone = known.late_node(&node(&[("front", &[A.1, B.1]), ("old", &[A.1])]));
        assert_eq!(gone.as_deref(), Some("node-1 still knows the Service old"));
    }

    #[test]
    fn services_that_nodes_treat_in_their_own_way_are_left_out() {
        let nowhere = node(&[]);
        for (field, value) in [
            ("/spec/clusterIP", json!("None")),
            ("/spec/internalTrafficPolicy", json!("Local")),
            ("/spec/trafficDistribution", json!("PreferClose")),
        ] {
            let mut known = objects(&[A], &[A]);
            assert!(known.late_node(&nowhere).is_some());
            let (_, name) = field.rsplit_once('/').unwrap();
            known.services[0]["spec"][name] = value;
            assert_eq!(known.late_node(&nowhere), None, "{field}");
        }
    }

    #[test]
    fn slices_of_another_port_or_family_do_not_count() {
        for (field, value) in [
            ("addressType", json!("IPv6")),
            ("ports", json!([{"name": "x"}])),
        ] {
            let mut known = objects(&[A], &[A]);
            known.slices[0][field] = value;
            assert_eq!(known.ready_addresses(&known.services[0]), BTreeSet::new());
        }
    }
}
