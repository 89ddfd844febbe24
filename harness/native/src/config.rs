//! What the box's processes are started with: files, flags, environment. Everything lies below one folder that is the
//! same in every box, so that a ready-made first state fits all of them.

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
pub(crate) use policy::{NETWORK_POLICY, reader as policy_reader};
pub use services::COUNTER;
pub(crate) use services::{Service, issuer_is_open, open_issuer, services};

use model::ClusterSpec;

use crate::kubeconfig;
use crate::net::Addresses;
use crate::node::Node;
use crate::pki::Pki;
use crate::places::{
    API_ADDRESS, API_PORT, DNS_ADDRESS, DOOR_PORT, HOME, LATE_DOOR_PORT, NODE_ADDRESS, OURSELVES,
    POD_CIDR, POD_CIDR_6, SERVICE_CIDR, SERVICE_CIDR_6,
};
use crate::process::{File, Process};
use crate::{Error, PROBE_IMAGE};

/// The API server's process.
pub(crate) const API_SERVER: &str = "kube-apiserver";

/// The process that takes the test image into containerd.
pub(crate) const IMAGE_IMPORT: &str = "image-import";

/// A /20 holds 4094 pods' addresses: more than `maxPods`.
const NODE_MASK: u8 = 20;
const NODE_MASK_6: u8 = 64;

/// What a box is made from.
pub(crate) struct Blueprint<'a> {
    pub(crate) cluster: &'a ClusterSpec,
    pub(crate) addresses: &'a Addresses,
    pub(crate) pki: &'a Pki,
    /// The box's cgroup as the kubelet names it, with a leading `/`.
    pub(crate) cgroup_root: &'a str,
    /// Whether CAP_SYS_RESOURCE is missing, so that containers cannot have it and scores cannot be lowered.
    pub(crate) confined: bool,
}

impl Blueprint<'_> {
    /// What a flag takes that has a value for each family of addresses.
    fn families(&self, of_four: &str, of_six: &str) -> String {
        if self.cluster.dual_stack {
            format!("{of_four},{of_six}")
        } else {
            of_four.to_owned()
        }
    }

    /// Files of the box outside [`HOME`], by absolute path.
    pub(crate) fn outside(&self) -> Vec<File> {
        services::outside(self)
    }

    /// Every file of the box below [`HOME`].
    pub(crate) fn files(&self) -> Result<Vec<File>, Error> {
        let mut files = self.pki.files();
        files.extend(self.kubeconfigs());
        files.extend(apiserver::files(self)?);
        files.extend(services::files(self)?);
        for node in self.nodes() {
            files.extend(node::files(self, node));
            files.extend(runtime::files(self, node));
        }
        Ok(files)
    }

    /// What starts at once. The API server asks its plugins while it starts, so they are there before.
    pub(crate) fn first(&self) -> Vec<Process> {
        let mut processes = plugins::processes(self);
        processes.extend([etcd::process(), apiserver::process(self)]);
        processes.extend(self.nodes().flat_map(|node| node::first(self, node)));
        processes.extend(services::first(self.cluster));
        processes
    }

    /// Where Fulcio asks for the API server, with or without a kube-proxy.
    pub(crate) fn first_service(&self) -> Option<SocketAddr> {
        let address = API_ADDRESS.parse::<IpAddr>().ok()?;
        self.cluster
            .has_sigstore()
            .then_some(SocketAddr::new(address, 443))
    }

    /// What starts when the issuer of ServiceAccount tokens can be asked by anybody.
    pub(crate) fn third(&self) -> Vec<Process> {
        services::third(self.cluster)
    }

    /// What starts when the API server knows [`policy_reader`].
    pub(crate) fn enforcers(&self) -> Vec<Process> {
        policy::processes(self)
    }

    /// What starts when the API server answers, most wanted first.
    pub(crate) fn second(&self) -> Vec<Process> {
        let manager = controllers::manager(self);
        if self.cluster.nodes == 0 {
            return vec![manager];
        }
        let proxies = self.nodes().map(|node| node::second(self, node));
        [controllers::scheduler(self), manager]
            .into_iter()
            .chain(proxies)
            .collect()
    }

    /// The nodes that enforce NetworkPolicies.
    pub(crate) fn enforcing(&self) -> impl Iterator<Item = Node> {
        Node::all(self.cluster.nodes).filter(|_| self.cluster.enforce_network_policy)
    }

    /// Its nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = Node> + Clone {
        Node::all(self.cluster.nodes)
    }

    fn kubeconfigs(&self) -> Vec<File> {
        let one = |name: String, user: &str, server: String| {
            let identity = self.pki.identity(user)?;
            Some(file(
                format!("{name}.kubeconfig"),
                kubeconfig::render(&server, self.pki.ca(), identity),
            ))
        };
        let central = [
            ("kube-controller-manager", LATE_DOOR_PORT),
            ("kube-scheduler", DOOR_PORT),
        ]
        .into_iter()
        .filter_map(|(user, port)| one(user.into(), user, format!("https://127.0.0.1:{port}")));
        let on_nodes = self.nodes().flat_map(|node| {
            let (kubelet, server) = (node.own("kubelet"), node::server(node));
            let proxy = one(node.own("kube-proxy"), "kube-proxy", server.clone());
            [one(kubelet.clone(), &kubelet, server), proxy]
        });
        central.chain(on_nodes.flatten()).collect()
    }
}

fn file(path: impl Into<PathBuf>, text: impl Into<String>) -> File {
    File {
        path: path.into(),
        text: text.into(),
    }
}

fn json(path: &str, value: &serde_json::Value) -> File {
    file(path, format!("{value:#}\n"))
}

/// A program of the control plane.
fn kubernetes(name: &str, args: Vec<String>) -> Process {
    process(name, &format!("{HOME}/bin/kubernetes/{name}"), args)
}

/// A program of the component that nodes need.
fn kubernetes_node(name: &str, args: Vec<String>) -> Process {
    process(
        name,
        &format!("{HOME}/bin/{}/{name}", components::NODE),
        args,
    )
}

fn process(name: &str, program: &str, args: Vec<String>) -> Process {
    let env = [
        ("GOGC", "400"),
        ("TMPDIR", concat_home("tmp").as_str()),
        ("PATH", &path(&["kubernetes", components::NODE, "runtime"])),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Process {
        name: name.into(),
        program: program.into(),
        args,
        env: env.into(),
        after_socket: None,
        ends: false,
    }
}

/// `PATH` with the programs of these components.
pub(crate) fn path(components: &[&str]) -> String {
    let ours: String = components
        .iter()
        .map(|name| format!("{HOME}/bin/{name}:"))
        .collect();
    format!("{ours}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

fn concat_home(path: &str) -> String {
    format!("{HOME}/{path}")
}

/// `--feature-gates`, for the components that take it as a flag.
fn feature_gates(gates: &BTreeMap<String, bool>) -> Option<String> {
    (!gates.is_empty()).then(|| format!("--feature-gates={}", pairs(gates)))
}

/// `--v`, for the components that have it.
fn verbosity(cluster: &ClusterSpec) -> Option<String> {
    cluster.verbosity.map(|level| format!("--v={level}"))
}

fn pairs(map: &BTreeMap<String, bool>) -> String {
    map.iter()
        .map(|(name, on)| format!("{name}={on}"))
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests;
