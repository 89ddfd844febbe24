//! Pods that try to reach each other, with the policies in place.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{ScenarioFiles, place_object, scenario_namespace};
use crate::Error;
use crate::generate::network::LISTENED_PORTS;
use crate::network::{
    AddressFamily, ConnectionEnd, NetworkDisagreement, NetworkPod, NetworkWorld, PodName,
    PortProtocol,
};

/// How many cells are told of in words, and how many are steps: one that is not as it is intended
/// takes seconds, until it is believed.
const MOST_TOLD: usize = 3;
const MOST_TRIED: usize = 8;

/// The scenario of cells in which a cluster did something else than the oracle says. Cells that are
/// not between two pods are left out.
///
/// # Errors
/// When it cannot be written as YAML.
pub fn network_scenario(
    world: &NetworkWorld,
    cells: &[NetworkDisagreement],
) -> Result<ScenarioFiles, Error> {
    let between = |cell| connections_between(cell).map(|(from, to)| (cell, from, to));
    let cells: Vec<(&NetworkDisagreement, &PodName, &PodName)> =
        cells.iter().filter_map(between).collect();
    let tried = &cells[..cells.len().min(MOST_TRIED)];
    let pods: BTreeSet<&PodName> = tried
        .iter()
        .flat_map(|(_, from, to)| [*from, *to])
        .collect();
    let started = pods.into_iter().enumerate().map(|(at, pod)| {
        json!({"id": format!("pod-{at}"), "namespace": scenario_namespace(&pod.namespace),
            "do": {"wait-running": format!("pod/{}", pod.name)}, "expect": "running"})
    });
    let steps = tried
        .iter()
        .enumerate()
        .map(|(at, (cell, from, to))| reach_step(at, cell, from, to));
    let mut said: Vec<String> = cells
        .iter()
        .take(MOST_TOLD)
        .map(|(cell, ..)| cell.to_string())
        .collect();
    said.extend(
        cells
            .len()
            .checked_sub(MOST_TOLD)
            .filter(|more| *more > 0)
            .map(|more| format!("So it is in {more} more")),
    );
    let at = |pod: &NetworkPod| {
        let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
        format!("{} {}", pod.name, addresses.join(" and "))
    };
    let addresses = world.pods.iter().map(at).collect::<Vec<_>>().join(", ");
    let dual_stack = world
        .nodes
        .values()
        .any(|addresses| AddressFamily::Ipv6.address_among(addresses).is_some());
    let mut policies = json!({"apply": ["pods.yaml", "policies.yaml"]});
    if tried.iter().all(|(cell, ..)| cell.says.reached()) {
        policies["ineffective"] = true.into();
    }
    let scenario = json!({
        "scenario": "v2",
        "why": format!("{}. The addresses were: {addresses}.", said.join(". ")),
        "cluster": {"nodes": world.nodes.len(), "enforce-network-policy": true, "dual-stack": dual_stack},
        "worlds": {"bare": {"apply": ["pods.yaml"]}, "policies": policies},
        "steps": started.chain(steps).collect::<Vec<_>>(),
    });
    let mut files = ScenarioFiles::default();
    files.add("scenario.yaml", &[scenario])?;
    let placed_on = |mut object: Value| {
        if let Some(node) = object["spec"]["nodeName"]
            .as_str()
            .and_then(|name| name.strip_prefix("node-"))
        {
            object["spec"]["nodeName"] = format!("$(node:{node})").into();
        }
        place_object(object)
    };
    let pods: Vec<Value> = world_objects(world, "$(image:probe)")
        .into_iter()
        .map(placed_on)
        .collect();
    files.add("pods.yaml", &pods)?;
    let policies = world
        .policies
        .iter()
        .map(|policy| serde_json::to_value(policy).map(place_object));
    let policies = policies
        .collect::<Result<Vec<_>, _>>()
        .map_err(|why| Error::Write {
            source: Box::new(why),
        })?;
    files.add("policies.yaml", &policies)?;
    Ok(files)
}

fn connections_between(cell: &NetworkDisagreement) -> Option<(&PodName, &PodName)> {
    match (&cell.probe.from, &cell.probe.to) {
        (ConnectionEnd::Pod(from), ConnectionEnd::Pod(to)) => Some((from, to)),
        _ => None,
    }
}

fn reach_step(at: usize, cell: &NetworkDisagreement, from: &PodName, to: &PodName) -> Value {
    let (scheme, stage) = match cell.probe.protocol {
        PortProtocol::Udp => ("udp", "reply"),
        PortProtocol::Tcp | PortProtocol::Sctp => ("tcp", "connect"),
    };
    let place = scenario_namespace(&to.namespace).replace("$(namespace)", "");
    let place = if place.is_empty() {
        to.name.clone()
    } else {
        format!("{place}/{}", to.name)
    };
    let host = match cell.probe.family {
        AddressFamily::Ipv4 => format!("$(pod-ip:{place})"),
        AddressFamily::Ipv6 => format!("[$(pod-ipv6:{place})]"),
    };
    let expected = if cell.says.reached() {
        json!("reached")
    } else {
        json!({"blocked": {"at": stage}})
    };
    json!({"id": format!("cell-{at}"), "namespace": scenario_namespace(&from.namespace),
        "do": {"reach": {"from": from.name, "to": format!("{scheme}://{host}:{}", cell.probe.port)}},
        "expect-in": {"bare": "reached", "policies": expected}})
}

/// The namespaces and pods of a world of the generators, as they are created: each pod listens at
/// the ports of [`LISTENED_PORTS`], but those on a node's network, which have none to themselves.
#[must_use]
pub fn world_objects(world: &NetworkWorld, image: &str) -> Vec<Value> {
    let namespace = |(name, labels): (&String, &_)| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    world
        .namespaces
        .iter()
        .map(namespace)
        .chain(world.pods.iter().map(|one| pod_object(one, image)))
        .collect()
}

fn pod_object(pod: &NetworkPod, image: &str) -> Value {
    let listened = LISTENED_PORTS.map(|(port, protocol)| format!("{protocol}:{port}"));
    let command: Vec<&str> = match pod.host_network {
        true => vec!["/probe", "pause"],
        false => ["/probe", "listen"]
            .into_iter()
            .chain(listened.iter().map(String::as_str))
            .collect(),
    };
    let port = |port: &crate::network::NamedPort| {
        let protocol = port.protocol.to_string().to_uppercase();
        json!({"name": port.name, "containerPort": port.port, "protocol": protocol})
    };
    let ports: Vec<Value> = pod
        .ports
        .iter()
        .filter(|_| !pod.host_network)
        .map(port)
        .collect();
    let spec: Map<String, Value> = [
        ("nodeName".to_owned(), json!(pod.node)),
        ("hostNetwork".to_owned(), json!(pod.host_network)),
        ("terminationGracePeriodSeconds".to_owned(), json!(0)),
        (
            "containers".to_owned(),
            json!([{"name": "main", "image": image, "command": command, "ports": ports}]),
        ),
    ]
    .into_iter()
    .collect();
    json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": {"namespace": pod.name.namespace, "name": pod.name.name, "labels": pod.labels}})
}
