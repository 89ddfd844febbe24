//! Where kube-proxy leads the addresses of Services: its own tables, read in each node's network.
//!
//! Nothing else tells when a node knows a Service: kube-proxy's health and metrics say that it has
//! written its tables, and not from which objects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use model::ProcessState;
use serde_json::Value;

use crate::node::{BoxNode, MOST_NODES, NETWORK_FOLDER};
use crate::{Error, RunningBox, net};

const KUBE_PROXY: &str = "kube-proxy";

/// The addresses of both families that kube-proxy keeps tables for.
const TABLE_FAMILIES: [&str; 2] = ["ip", "ip6"];

/// What one node does with the addresses of Services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyReport {
    /// The node.
    pub node: String,
    /// The addresses behind each Service, by its namespace and name. Those behind a traffic policy
    /// `Local` are left out.
    pub endpoints: BTreeMap<(String, String), BTreeSet<IpAddr>>,
}

impl RunningBox {
    /// Where each node leads the addresses of Services now. A node that was cut off, frozen or
    /// killed, or whose kube-proxy does not run, is left out.
    ///
    /// # Errors
    /// When a node's tables cannot be read.
    pub fn proxy_reports(&self) -> Result<Vec<ProxyReport>, Error> {
        let proxied = BoxNode::all_nodes(MOST_NODES).filter(|node| {
            let status = self.process_status(&node.own_name(KUBE_PROXY));
            !self.later.is_apart(&node.name())
                && status.is_some_and(|status| status.state == ProcessState::Alive)
        });
        proxied.map(|node| self.proxy_report(node)).collect()
    }

    fn proxy_report(&self, node: BoxNode) -> Result<ProxyReport, Error> {
        let network = if node.is_first() {
            self.network_path()
        } else {
            let name = node.name();
            format!("/proc/{}/root{NETWORK_FOLDER}/{name}", self.init_process()).into()
        };
        let mut report = ProxyReport {
            node: node.name(),
            ..ProxyReport::default()
        };
        for family in TABLE_FAMILIES {
            if let Some(table) = list_table(&network, family)? {
                add_endpoints(&table, &mut report.endpoints);
            }
        }
        Ok(report)
    }
}

/// A table of kube-proxy, as `nft --json` prints it; nothing where there is none.
fn list_table(network: &Path, family: &str) -> Result<Option<Value>, Error> {
    let args = ["--json", "list", "table", family, KUBE_PROXY];
    let fault = |why: String| Error::Command {
        command: format!("nft {}", args.join(" ")),
        why,
    };
    let output = net::run_within(network, || {
        let mut command = Command::new("nft");
        let run = command.args(args).stdin(Stdio::null()).output();
        run.map_err(|why| fault(why.to_string()))
    })?;
    if output.status.success() {
        let table = serde_json::from_slice(&output.stdout);
        return table.map(Some).map_err(|why| fault(why.to_string()));
    }
    let why = String::from_utf8_lossy(&output.stderr);
    if why.contains("No such file or directory") {
        Ok(None)
    } else {
        Err(fault(why.trim().to_owned()))
    }
}

fn add_endpoints(table: &Value, endpoints: &mut BTreeMap<(String, String), BTreeSet<IpAddr>>) {
    let entries = table["nftables"].as_array().into_iter().flatten();
    for rule in entries.map(|entry| &entry["rule"]) {
        let Some(service) = rule["chain"].as_str().and_then(service_of_chain) else {
            continue;
        };
        let known = endpoints.entry(service).or_default();
        for part in rule["expr"].as_array().into_iter().flatten() {
            add_addresses(&part["dnat"], known);
        }
    }
}

/// The namespace and name of the Service that a chain is for. The names are kube-proxy's
/// (`servicePortEndpointChainNameBase` in `pkg/proxy/nftables/proxier.go`): a prefix, a hash, and
/// `NAMESPACE/NAME/PROTOCOL/PORT`, with `__ADDRESS/PORT` behind it for an endpoint of its own.
fn service_of_chain(chain: &str) -> Option<(String, String)> {
    let rest = chain
        .strip_prefix("service-")
        .or_else(|| chain.strip_prefix("endpoint-"))?;
    let (_, name) = rest.split_once('-')?;
    let mut parts = name.split('/');
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

fn add_addresses(part: &Value, known: &mut BTreeSet<IpAddr>) {
    match part {
        Value::String(text) => known.extend(text.parse::<IpAddr>()),
        Value::Array(items) => items.iter().for_each(|item| add_addresses(item, known)),
        Value::Object(fields) => fields.values().for_each(|item| add_addresses(item, known)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As nft 1.0.6 prints what kube-proxy 1.36.3 made of a Service with two ports, and of one with
    /// session affinity.
    #[test]
    fn endpoints_are_read_from_the_rules_of_their_service() {
        let many = json!({"addr": {"map": {
            "key": {"numgen": {"mode": "random", "mod": 2, "offset": 0}},
            "data": {"set": [[0, {"concat": ["10.244.0.2", 8080]}], [1, {"concat": ["10.244.0.3", 8080]}]]},
        }}});
        let rule = |chain: &str, dnat: &Value| {
            json!({"rule": {"table": "kube-proxy", "chain": chain, "expr": [
                {"match": {"left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}, {"dnat": dnat}]}})
        };
        let table = json!({"nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"chain": {"name": "service-I3R5RXEX-default/front/tcp/web"}},
            rule("service-I3R5RXEX-default/front/tcp/web", &many),
            rule("endpoint-SYHUGAL6-shop/db/tcp/__10.244.1.4/5432", &json!({"addr": "10.244.1.4", "port": 5432})),
            rule("external-I3R5RXEX-default/other/tcp/web", &json!({"addr": "10.244.1.9", "port": 80})),
        ]});
        let mut read = BTreeMap::new();
        add_endpoints(&table, &mut read);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let wanted = BTreeMap::from([
            (
                ("default".to_owned(), "front".to_owned()),
                BTreeSet::from([address("10.244.0.2"), address("10.244.0.3")]),
            ),
            (
                ("shop".to_owned(), "db".to_owned()),
                BTreeSet::from([address("10.244.1.4")]),
            ),
        ]);
        assert_eq!(read, wanted);
    }
}
