//! What the box's processes are started with: files, flags, environment. Everything lies below one
//! folder that is the same in every box, so that a ready-made first state fits all of them.

mod apiserver;
mod controllers;
mod etcd;
mod node;
mod plugins;
mod policy;
mod runtime;
mod services;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

pub(crate) use apiserver::OWN_ENCRYPTION;
pub(crate) use etcd::ETCD_URL;
pub(crate) use node::apiserver_url as node_apiserver;
pub(crate) use policy::{NETWORK_POLICY, reader_role as policy_reader};
pub(crate) use runtime::{IMAGE_NAMESPACE, containerd_socket};
pub use services::SIGSTORE_COUNTER;
pub(crate) use services::{HostService, cluster_services, issuer_is_open, open_issuer};

use model::ClusterSpec;

use crate::kubeconfig;
use crate::net::BoxAddresses;
use crate::node::BoxNode;
use crate::pki::BoxPki;
use crate::places::{
    API_ADDRESS, API_GATE_PORT, API_PORT, BOX_HOME, DNS_ADDRESS, LATE_API_GATE_PORT, NODE_ADDRESS,
    OWN_PROGRAM, POD_CIDR, POD_CIDR_6, SERVICE_CIDR, SERVICE_CIDR_6,
};
use crate::process::{BoxFile, BoxProcess};
use crate::{Error, PROBE_IMAGE};

/// The API server's process.
pub(crate) const API_SERVER: &str = "kube-apiserver";

/// The process that takes the test image into containerd.
pub(crate) const IMAGE_IMPORT: &str = "image-import";

/// A /20 holds 4094 pods' addresses: more than `maxPods`.
const NODE_MASK: u8 = 20;
const NODE_MASK_6: u8 = 64;

/// What a box is made from.
pub(crate) struct BoxBlueprint<'a> {
    pub(crate) cluster: &'a ClusterSpec,
    pub(crate) addresses: &'a BoxAddresses,
    pub(crate) pki: &'a BoxPki,
    /// The box's cgroup as the kubelet names it, with a leading `/`.
    pub(crate) cgroup_root: &'a str,
    /// Whether CAP_SYS_RESOURCE is missing, so that containers cannot have it and scores cannot be
    /// lowered.
    pub(crate) confined: bool,
}

impl BoxBlueprint<'_> {
    /// What a flag takes that has a value for each family of addresses.
    fn families(&self, of_four: &str, of_six: &str) -> String {
        if self.cluster.dual_stack {
            format!("{of_four},{of_six}")
        } else {
            of_four.to_owned()
        }
    }

    /// Files of the box outside [`BOX_HOME`], by absolute path.
    pub(crate) fn outside_files(&self) -> Vec<BoxFile> {
        services::outside_files(self)
    }

    /// Every file of the box below [`BOX_HOME`].
    pub(crate) fn files(&self) -> Result<Vec<BoxFile>, Error> {
        let mut files = self.pki.pki_files();
        files.extend(self.kubeconfigs());
        files.extend(apiserver::apiserver_files(self)?);
        files.extend(services::service_files(self)?);
        for node in self.nodes() {
            files.extend(node::node_files(self, node));
            files.extend(runtime::containerd_files(self, node));
        }
        Ok(files)
    }

    /// What starts at once. The API server asks its plugins while it starts, so they are there
    /// before.
    pub(crate) fn first_processes(&self) -> Vec<BoxProcess> {
        let mut processes = plugins::plugin_processes(self);
        processes.extend([etcd::etcd_process(), apiserver::apiserver_process(self)]);
        processes.extend(
            self.nodes()
                .flat_map(|node| node::first_processes(self, node)),
        );
        processes.extend(services::first_processes(self.cluster));
        processes
    }

    /// Where Fulcio asks for the API server, with or without a kube-proxy.
    pub(crate) fn first_service(&self) -> Option<SocketAddr> {
        let address = API_ADDRESS.parse::<IpAddr>().ok()?;
        self.cluster
            .has_sigstore()
            .then_some(SocketAddr::new(address, 443))
    }

    /// What starts when the issuer of ServiceAccount tokens can be asked without credentials.
    pub(crate) fn third_processes(&self) -> Vec<BoxProcess> {
        services::third_processes(self.cluster)
    }

    /// What starts when the API server knows [`policy_reader`].
    pub(crate) fn enforcer_processes(&self) -> Vec<BoxProcess> {
        policy::enforcer_processes(self)
    }

    /// What starts when the API server answers, most wanted first.
    pub(crate) fn second_processes(&self) -> Vec<BoxProcess> {
        let manager = controllers::controller_manager(self);
        if self.cluster.nodes == 0 {
            return vec![manager];
        }
        let proxies = self.nodes().map(|node| node::second_processes(self, node));
        [controllers::scheduler_process(self), manager]
            .into_iter()
            .chain(proxies)
            .collect()
    }

    /// The nodes that enforce NetworkPolicies.
    pub(crate) fn enforcing(&self) -> impl Iterator<Item = BoxNode> {
        BoxNode::all_nodes(self.cluster.nodes).filter(|_| self.cluster.enforce_network_policy)
    }

    /// Its nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = BoxNode> + Clone {
        BoxNode::all_nodes(self.cluster.nodes)
    }

    fn kubeconfigs(&self) -> Vec<BoxFile> {
        let one = |name: String, user: &str, server: String| {
            let identity = self.pki.identity_of(user)?;
            Some(box_file(
                format!("{name}.kubeconfig"),
                kubeconfig::render_kubeconfig(&server, self.pki.ca(), identity),
            ))
        };
        let central = [
            ("kube-controller-manager", LATE_API_GATE_PORT),
            ("kube-scheduler", API_GATE_PORT),
        ]
        .into_iter()
        .filter_map(|(user, port)| one(user.into(), user, format!("https://127.0.0.1:{port}")));
        let on_nodes = self.nodes().flat_map(|node| {
            let (kubelet, server) = (node.own_name("kubelet"), node::apiserver_url());
            let proxy = one(node.own_name("kube-proxy"), "kube-proxy", server.clone());
            [one(kubelet.clone(), &kubelet, server), proxy]
        });
        central.chain(on_nodes.flatten()).collect()
    }
}

fn box_file(path: impl Into<PathBuf>, text: impl Into<String>) -> BoxFile {
    BoxFile {
        path: path.into(),
        text: text.into(),
    }
}

fn json_file(path: &str, value: &serde_json::Value) -> BoxFile {
    box_file(path, format!("{value:#}\n"))
}

/// A program of the control plane.
fn kubernetes_process(name: &str, args: Vec<String>) -> BoxProcess {
    box_process(name, &format!("{BOX_HOME}/bin/kubernetes/{name}"), args)
}

/// A program of the component that nodes need.
fn kubernetes_node(name: &str, args: Vec<String>) -> BoxProcess {
    box_process(
        name,
        &format!("{BOX_HOME}/bin/{}/{name}", components::KUBERNETES_NODE),
        args,
    )
}

fn box_process(name: &str, program: &str, args: Vec<String>) -> BoxProcess {
    let env = [
        ("GOGC", "400"),
        ("TMPDIR", concat_home("tmp").as_str()),
        (
            "PATH",
            &program_path(&["kubernetes", components::KUBERNETES_NODE, "runtime"]),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    BoxProcess {
        name: name.into(),
        program: program.into(),
        args,
        env: env.into(),
        after_socket: None,
        ends: false,
    }
}

/// `PATH` with the programs of these components.
pub(crate) fn program_path(components: &[&str]) -> String {
    let ours: String = components
        .iter()
        .map(|name| format!("{BOX_HOME}/bin/{name}:"))
        .collect();
    format!("{ours}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

fn concat_home(path: &str) -> String {
    format!("{BOX_HOME}/{path}")
}

/// `--feature-gates`, for the components that take it as a flag.
fn feature_gates(gates: &BTreeMap<String, bool>) -> Option<String> {
    (!gates.is_empty()).then(|| format!("--feature-gates={}", join_pairs(gates)))
}

/// `--v`, for the components that have it.
fn verbosity_flag(cluster: &ClusterSpec) -> Option<String> {
    cluster.verbosity.map(|level| format!("--v={level}"))
}

fn join_pairs(map: &BTreeMap<String, bool>) -> String {
    map.iter()
        .map(|(name, on)| format!("{name}={on}"))
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests;
