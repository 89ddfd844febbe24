//! A way into a box: for tools that have to run beside its services, and for what those services
//! say.

use std::net::{IpAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use model::{NodeChange, ProcessChange, ProcessStatus};
use native::{EnforcerReport, ProxyReport, places};
use serde_json::Value;

use crate::Error;

/// A way into a box.
#[derive(Clone, Copy)]
pub struct HostAccess<'a> {
    pub(crate) running: &'a native::RunningBox,
}

impl HostAccess<'_> {
    /// A command that runs its first argument within the box's namespaces, and dies with the box.
    /// Its environment holds a `PATH` with every tool that is built, and nothing else of the
    /// caller's.
    #[must_use]
    pub fn enter_command(&self) -> Command {
        self.running.enter_command()
    }

    /// Gives every node the images of an archive, under the names that it has for them.
    ///
    /// # Errors
    /// For a file that is not an archive of images, and a box without nodes.
    pub fn import_images(&self, archive: &Path) -> Result<(), Error> {
        self.running
            .import_images(archive)
            .map_err(|source| Error::Box { source })
    }

    /// A UDP socket in the box's own network.
    ///
    /// # Errors
    /// When the kernel does not allow entering.
    pub fn udp_socket(&self) -> Result<UdpSocket, Error> {
        self.running
            .udp_socket()
            .map_err(|source| Error::Box { source })
    }

    /// Orders one process of the box to end, to halt, to go on, or to start again, and returns at
    /// once: what becomes of it is told by [`HostAccess::process_status`].
    ///
    /// # Errors
    /// For a name that the box never had.
    pub fn control_process(&self, change: &ProcessChange) -> Result<(), Error> {
        self.running
            .control_process(change)
            .map_err(|source| Error::Box { source })
    }

    /// Does something to a whole node beyond the first, and returns when it is done.
    ///
    /// # Errors
    /// For a node that the box does not have, and for the first; where the kernel does not do it.
    pub fn command_node(&self, change: &NodeChange) -> Result<(), Error> {
        self.running
            .command_node(change)
            .map_err(|source| Error::Box { source })
    }

    /// What is known of a process of the box now; nothing for a name that the box never had.
    #[must_use]
    pub fn process_status(&self, process: &str) -> Option<ProcessStatus> {
        self.running.process_status(process)
    }

    /// A folder that the box sees as [`HostAccess::INSIDE`].
    #[must_use]
    pub fn work_folder(&self) -> &Path {
        &self.running.work
    }

    /// The encryption configuration that the shape brought, as a file of the host. A replacement is
    /// renamed into its place as a whole.
    #[must_use]
    pub fn encryption_config(&self) -> PathBuf {
        self.running.encryption_config()
    }

    /// The folder of a key management plugin of the shape, on the host: what it is told to do, and
    /// its calls.
    #[must_use]
    pub fn kms_folder(&self, name: &str) -> PathBuf {
        self.running.kms_folder(name)
    }

    /// What each node enforces of NetworkPolicy now; `None` where the cluster does not ask for it.
    ///
    /// # Errors
    /// When a node does not say it.
    pub fn network_policy(&self) -> Result<Option<Vec<EnforcerReport>>, Error> {
        self.running
            .network_policy()
            .map_err(|source| Error::Box { source })
    }

    /// Where each node leads the addresses of Services now, but for nodes that were cut off, frozen
    /// or killed, and those without a kube-proxy.
    ///
    /// # Errors
    /// When a node's tables cannot be read.
    pub fn proxy_reports(&self) -> Result<Vec<ProxyReport>, Error> {
        self.running
            .proxy_reports()
            .map_err(|source| Error::Box { source })
    }

    /// The static program that the box's pods run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn probe_program(&self) -> Result<Vec<u8>, Error> {
        self.running
            .probe_program()
            .map_err(|source| Error::Box { source })
    }

    /// Whether a container has a process, by its id and its pod's; nothing where that cannot be
    /// told.
    #[must_use]
    pub fn container_lives(&self, pod: &str, container: &str) -> Option<bool> {
        self.running.container_lives(pod, container)
    }

    /// A connection to the probe that is the first process of a container, by its id and its pod's;
    /// nothing, where none answers there.
    ///
    /// # Errors
    /// When the kernel does not allow entering.
    pub fn connect_probe(&self, pod: &str, container: &str) -> Result<Option<UnixStream>, Error> {
        self.running
            .connect_probe(pod, container)
            .map_err(|source| Error::Box { source })
    }

    /// The folder with a log for each process of the box.
    #[must_use]
    pub fn log_folder(&self) -> &Path {
        &self.running.logs
    }

    /// The path inside the box of a file below [`HostAccess::work_folder`].
    #[must_use]
    pub fn path_inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.work_folder()).map_or_else(
            |_| path.to_owned(),
            |rest| Path::new(Self::INSIDE).join(rest),
        )
    }

    /// The box's address, as this program reaches it.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.running.address
    }

    /// The box's certificate authority, PEM.
    #[must_use]
    pub fn ca_certificate(&self) -> &str {
        &self.running.ca
    }

    /// The public key of the box's transparency log, PEM, where there is one.
    #[must_use]
    pub fn rekor_key(&self) -> Option<&str> {
        self.running.rekor_key.as_deref()
    }

    /// The first root of the TUF repository that Kyverno's pod serves itself at
    /// `http://tuf.box:3005`, where it does.
    #[must_use]
    pub fn tuf_root(&self) -> Option<String> {
        std::fs::read_to_string(self.work_folder().join("tuf/root.json")).ok()
    }

    /// How many packets pods have sent so far to the log, the certificate authority and the
    /// timestamp authority.
    ///
    /// # Errors
    /// Where they are not counted: in a box without these, or without a node.
    pub async fn packets_to_sigstore(self) -> Result<u64, Error> {
        let uncounted = |why: String| Error::Uncounted { why };
        let mut command = self.enter_command();
        let [table, counter] = native::SIGSTORE_COUNTER;
        command
            .args(["nft", "-j", "list", "counter", "inet", table, counter])
            .stdin(Stdio::null());
        let output = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .output()
            .await;
        let output = output.map_err(|why| uncounted(why.to_string()))?;
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let counters = listed["nftables"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let packets = counters
            .iter()
            .find_map(|one| one["counter"]["packets"].as_u64());
        packets.ok_or_else(|| uncounted(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    /// The image of the program that speaks for a pod, on every node of a box.
    pub const PROBE_IMAGE: &'static str = native::PROBE_IMAGE;
    /// The address of the service `kubernetes`: the API server's, inside.
    pub const API_ADDRESS: &'static str = native::API_ADDRESS;
    /// The address that pods ask for names, whether or not a server answers there.
    pub const DNS_ADDRESS: &'static str = native::DNS_ADDRESS;
    /// The first node's address, the same in every box.
    pub const NODE_ADDRESS: &'static str = native::NODE_ADDRESS;
    /// Where the box sees [`HostAccess::work_folder`].
    pub const INSIDE: &'static str = places::WORK_INSIDE;
    /// The folder of etcd's data, inside.
    pub const ETCD_DATA: &'static str = places::ETCD_DATA;
    /// The file with the key that ServiceAccount tokens are signed with, inside.
    pub const TOKEN_KEY: &'static str = places::TOKEN_KEY;
    /// The file with the box's certificate authority, inside.
    pub const CA_FILE: &'static str = places::CA_FILE;
    /// What an API server says about itself, but for two checks that wait a second for what was
    /// there before.
    pub const READYZ_FROM_TEMPLATE: &'static str = places::READYZ_FROM_TEMPLATE;
    /// The registry, with TLS.
    pub const REGISTRY: &'static str = places::TLS_REGISTRY.authority;
    /// The same registry, over plain HTTP. Go's registry clients take names below `localhost` for
    /// plain HTTP.
    pub const PLAIN_REGISTRY: &'static str = places::PLAIN_REGISTRY.authority;
    /// The same registry for those who have a password.
    pub const PRIVATE_REGISTRY: &'static str = places::PRIVATE_REGISTRY.authority;
    /// The front of the registry that spoils its answers.
    pub const FRONT: &'static str = places::REGISTRY_FRONT.authority;
    /// The port of the registry with TLS.
    pub const REGISTRY_PORT: u16 = places::TLS_REGISTRY.port;
    /// The registry's port for plain HTTP.
    pub const PLAIN_PORT: u16 = places::PLAIN_REGISTRY.port;
    /// Fulcio.
    pub const FULCIO: &'static str = places::FULCIO_SERVICE.url;
    /// Fulcio's port.
    pub const FULCIO_PORT: u16 = places::FULCIO_SERVICE.port;
    /// Rekor.
    pub const REKOR: &'static str = places::REKOR_SERVICE.url;
    /// The name that the log signs its checkpoints with.
    pub const REKOR_ORIGIN: &'static str = places::REKOR_SERVICE.name;
    /// Where the timestamp authority takes requests.
    pub const TIMESTAMPS: &'static str = places::TIMESTAMP_SERVICE.url;
    /// The timestamp authority's port.
    pub const TSA_PORT: u16 = places::TIMESTAMP_SERVICE.port;
}
