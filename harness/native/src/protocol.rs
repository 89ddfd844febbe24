//! What the processes of a box say to each other: JSON, one message a line, over standard input and
//! output.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use model::{ClusterSpec, FirstObject, ProcessChange, ProcessStatus};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::node::BoxNode;
use crate::process::{BoxFile, BoxProcess};
use crate::{BoxProgress, ProcessDeath};

/// The caller to the launcher, once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LauncherRequest {
    pub(crate) cache: PathBuf,
    pub(crate) name: String,
    pub(crate) cluster: ClusterSpec,
    /// The first state that it begins with, or that it makes.
    pub(crate) first_state: Option<String>,
    pub(crate) purpose: StartPurpose,
}

/// Why a box is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StartPurpose {
    /// To be used.
    Use,
    /// To take its first state, with these objects, as the template of later starts.
    MakeTemplate(Vec<FirstObject>),
}

/// The caller to the launcher, after a start.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CallerCommand {
    /// To let the box live on without its caller.
    Keep,
    /// An order to one process.
    Process(ProcessChange),
}

/// The launcher to the caller.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum LauncherReport {
    Progress(BoxProgress),
    Ready(Box<ReadyBox>),
    Failed(StartFailure),
    /// A process was started, frozen or thawed, or has ended.
    ProcessStatus {
        process: String,
        life: ProcessStatus,
    },
    Died(ProcessDeath),
}

/// Why there is no box.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StartFailure {
    NameTaken,
    NotRoot,
    /// It got no inotify instances: what it waited for, and who holds them.
    NoInotify(String),
    Other(String),
}

/// A box that is up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReadyBox {
    pub(crate) kubeconfig: PathBuf,
    /// The authenticating proxy's.
    pub(crate) front_proxy: PathBuf,
    pub(crate) server: String,
    pub(crate) logs: PathBuf,
    pub(crate) audit_log: Option<PathBuf>,
    pub(crate) cgroups: Vec<PathBuf>,
    pub(crate) kubernetes: String,
    pub(crate) work: PathBuf,
    pub(crate) address: IpAddr,
    pub(crate) ca: String,
    pub(crate) rekor_key: Option<String>,
    /// The nodes that enforce NetworkPolicies.
    pub(crate) enforcing: Vec<String>,
    /// The first process, as the host knows it.
    pub(crate) init: u32,
    /// `PATH` with every program that the box shows.
    pub(crate) path: String,
    pub(crate) milestones: Vec<(String, Duration)>,
}

/// The launcher to the box's first process.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InitOrder {
    SetUp(Box<BoxLayout>),
    Spawn(BoxProcess),
    /// Whether the components' connections reach the API server, or wait.
    ApiGate {
        open: bool,
    },
    /// The same for the controller manager's.
    LateApiGate {
        open: bool,
    },
    /// A signal for one process.
    Signal(ProcessChange),
    /// Copies a folder to another one, without holes.
    Copy {
        from: PathBuf,
        to: PathBuf,
    },
}

/// The box's first process (or, for the first of them, the one that made the namespaces) to the
/// launcher.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum InitReport {
    Unshared,
    /// The first process has this id on the host.
    Born {
        init: u32,
    },
    SetUp,
    Copied,
    /// An order could not be followed.
    Failed(String),
    /// What it writes into its log begins at `log_from`.
    Started {
        process: String,
        log_from: u64,
    },
    NotStarted {
        process: String,
        why: String,
    },
    /// A signal has stopped it, or it goes on.
    Froze {
        process: String,
        frozen: bool,
    },
    Exited {
        process: String,
        status: String,
        success: bool,
    },
}

/// How the inside of the box is laid out.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoxLayout {
    /// An empty folder of the host that the box's memory file system is mounted on while it is
    /// made.
    pub(crate) stage: PathBuf,
    pub(crate) host_name: String,
    /// Folders and files of the host (first) that appear in the box (second, below
    /// [`crate::places::BOX_HOME`]).
    pub(crate) binds: Vec<BindMount>,
    /// Where this program appears, below `HOME`.
    pub(crate) own_programs: Vec<PathBuf>,
    /// Folders that are copied into the box before it starts: from the host, to a path below
    /// `HOME`.
    pub(crate) copies: Vec<(PathBuf, PathBuf)>,
    pub(crate) files: Vec<BoxFile>,
    /// Files elsewhere in the box, by absolute path.
    pub(crate) outside: Vec<BoxFile>,
    /// Where the first process takes connections for the API server on the first node.
    pub(crate) api_gates: Vec<SocketAddr>,
    /// Where it takes those of the controller manager.
    pub(crate) late_api_gate: SocketAddr,
    /// Lines for `ip -batch`.
    pub(crate) network: Vec<String>,
    /// Whether its nodes pass on what is of IPv6.
    pub(crate) dual_stack: bool,
    /// The nodes beyond the first.
    pub(crate) nodes: Vec<FurtherNode>,
}

/// A node that has its own network.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FurtherNode {
    pub(crate) node: BoxNode,
    /// Lines for `ip -batch` in that network.
    pub(crate) network: Vec<String>,
    /// Where the first process takes connections for the API server in that network.
    pub(crate) gate: SocketAddr,
}

/// A path of the host that appears in the box.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BindMount {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
    pub(crate) read_only: bool,
}

/// Writes one message.
pub(crate) fn send_message<T: Serialize>(mut to: impl Write, message: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Reads one message's line.
pub(crate) fn parse_message<T: DeserializeOwned>(line: &str) -> io::Result<T> {
    Ok(serde_json::from_str(line)?)
}
