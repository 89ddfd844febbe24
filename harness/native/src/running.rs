//! A box that is up, in its caller's hands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{ProcessChange, ProcessStatus};
use serde::{Deserialize, Serialize};
use wait::WaitLook;

use crate::config::OWN_ENCRYPTION;
use crate::protocol::{self, CallerCommand, ReadyBox};
use crate::{EnforcerReport, Error, enter, image, kms_process, net, running_boxes};
use components::BoxCache;

const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// A process of the box that ended although it should not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDeath {
    /// Its name, such as `kube-apiserver`.
    pub process: String,
    /// How it ended: `exit code 1`, `killed by SIGKILL`.
    pub status: String,
    /// The last lines of its log.
    pub tail: String,
}

/// What becomes known while the box is up.
#[derive(Clone, Debug, Default)]
pub(crate) struct LaterEvents(Arc<Mutex<BoxKnowledge>>);

#[derive(Debug, Default)]
struct BoxKnowledge {
    milestones: Vec<(String, Duration)>,
    deaths: Vec<ProcessDeath>,
    lives: BTreeMap<String, ProcessStatus>,
    /// The nodes that were cut off, frozen or killed last.
    apart: BTreeSet<String>,
}

impl LaterEvents {
    pub(crate) fn note_status(&self, process: String, life: ProcessStatus) {
        self.lock().lives.insert(process, life);
    }

    pub(crate) fn note_enforced(&self, node: String, is_apart: bool) {
        let mut known = self.lock();
        if is_apart {
            known.apart.insert(node)
        } else {
            known.apart.remove(&node)
        };
    }

    /// Whether a node was cut off, frozen or killed last.
    pub(crate) fn is_apart(&self, node: &str) -> bool {
        self.lock().apart.contains(node)
    }

    pub(crate) fn note_death(&self, death: ProcessDeath) {
        self.lock().deaths.push(death);
    }

    pub(crate) fn note_milestone(&self, milestone: String, at: Duration) {
        self.lock().milestones.push((milestone, at));
    }

    fn lock(&self) -> MutexGuard<'_, BoxKnowledge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A box that is up. Dropping an attached one takes it down, and waits until nothing of it is left.
#[derive(Debug)]
pub struct RunningBox {
    /// Its name.
    pub name: String,
    /// A kubeconfig of its administrator, readable by its owner alone.
    pub kubeconfig: PathBuf,
    /// A kubeconfig of its authenticating proxy: the API server believes it who asks, by the
    /// headers `X-Remote-User`, `X-Remote-Group`, `X-Remote-Uid` and `X-Remote-Extra-…`.
    pub front_proxy: PathBuf,
    /// The API server, as `https://ADDRESS:6443`.
    pub server: String,
    /// The folder with `PROCESS.log` for each process. It goes with the box.
    pub logs: PathBuf,
    /// The audit log, where the cluster has one: one JSON event a line.
    pub audit_log: Option<PathBuf>,
    /// The box's control groups, one folder for each tree of the host; they hold all of its
    /// processes.
    pub cgroups: Vec<PathBuf>,
    /// The Kubernetes release, as `1.36.3`.
    pub kubernetes: String,
    /// A folder of the host that the box sees at `/run/gauntlet/work`.
    pub work: PathBuf,
    /// The box's address: its services listen there at their ports.
    pub address: IpAddr,
    /// The box's certificate authority, PEM.
    pub ca: String,
    /// The public key of the transparency log, PEM, where there is one. The log's origin is
    /// `rekor.box`.
    pub rekor_key: Option<String>,
    enforcing: Vec<String>,
    launcher: PathBuf,
    init: u32,
    path: String,
    cache: PathBuf,
    pub(crate) later: LaterEvents,
    attached: Option<(Child, ChildStdin)>,
}

impl RunningBox {
    pub(crate) fn new(
        cache: &Path,
        name: &str,
        launcher: &Path,
        ready: ReadyBox,
        later: LaterEvents,
        attached: Option<(Child, ChildStdin)>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            kubeconfig: ready.kubeconfig,
            front_proxy: ready.front_proxy,
            server: ready.server,
            logs: ready.logs,
            audit_log: ready.audit_log,
            cgroups: ready.cgroups,
            kubernetes: ready.kubernetes,
            work: ready.work,
            address: ready.address,
            ca: ready.ca,
            rekor_key: ready.rekor_key,
            enforcing: ready.enforcing,
            launcher: launcher.to_owned(),
            init: ready.init,
            path: ready.path,
            cache: cache.to_owned(),
            later,
            attached,
        }
    }

    /// The processes that have ended since the start although they should not have, one entry for
    /// each end.
    #[must_use]
    pub fn deaths(&self) -> Vec<ProcessDeath> {
        self.later.lock().deaths.clone()
    }

    /// Orders one process of the box to end, to halt, to go on, or to start again, and returns at
    /// once: what becomes of it is told by [`RunningBox::process_status`]. An ordered end is not in
    /// [`RunningBox::deaths`].
    ///
    /// The order concerns that process alone, not those that it has started itself. A frozen
    /// process heeds SIGTERM once it is thawed. A process that was told to end starts again when it
    /// has ended; for one that lives and may live, a start means nothing. Its log goes on.
    ///
    /// A box is up before its controller manager is: one that is still starting gives up if the API
    /// server is not healthy for ten seconds. The ServiceAccount `default` in a new namespace says
    /// that it has started.
    ///
    /// # Errors
    /// [`Error::NotAttached`], and [`Error::NoSuchProcess`] for a name that the box never had.
    pub fn control_process(&self, change: &ProcessChange) -> Result<(), Error> {
        let process = change.name();
        let Some((_, launcher)) = &self.attached else {
            return Err(Error::NotAttached(self.name.clone()));
        };
        if self.process_status(process).is_none() {
            return Err(Error::NoSuchProcess {
                name: self.name.clone(),
                process: process.to_owned(),
            });
        }
        let command = CallerCommand::Process(change.clone());
        protocol::send_message(launcher, &command).map_err(|why| Error::Launcher(why.to_string()))
    }

    /// What is known of a process of the box now; nothing for a name that the box never had. It
    /// changes when the box's first process has seen the change, not when that was ordered.
    #[must_use]
    pub fn process_status(&self, process: &str) -> Option<ProcessStatus> {
        self.later.lock().lives.get(process).cloned()
    }

    /// What the start has reached so far, and when, counted from its beginning. `readyz` may come
    /// after the start has returned: two of its checks wait a second before they look at what a
    /// box from a template has from the beginning.
    #[must_use]
    pub fn milestones(&self) -> Vec<(String, Duration)> {
        self.later.lock().milestones.clone()
    }

    /// The encryption configuration of [`model::EncryptionShape::Config`], as a file of the host
    /// that its owner alone can read. A replacement is renamed into its place as a whole.
    #[must_use]
    pub fn encryption_config(&self) -> PathBuf {
        self.work.join(OWN_ENCRYPTION)
    }

    /// The static program that the box's pods run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn probe_program(&self) -> Result<Vec<u8>, Error> {
        let cache = BoxCache {
            root: self.cache.clone(),
        };
        image::probe_program(&cache)
    }

    /// The folder of a key management plugin of the cluster, on the host: its
    /// [`kms::PluginSettings`] and [`kms::read_calls`].
    #[must_use]
    pub fn kms_folder(&self, name: &str) -> PathBuf {
        self.work.join(kms_process::KMS_FOLDER).join(name)
    }

    /// What each node enforces of NetworkPolicy now; `None` where the cluster does not ask for it.
    /// A start waits until every node has an answer. A node that was cut off, frozen or killed is
    /// left out until it is back.
    ///
    /// # Errors
    /// When an answer cannot be read, or is gone.
    pub fn network_policy(&self) -> Result<Option<Vec<EnforcerReport>>, Error> {
        if self.enforcing.is_empty() {
            return Ok(None);
        }
        let asked = self
            .enforcing
            .iter()
            .filter(|node| !self.later.is_apart(node));
        let answer = |node: &String| {
            enforcer::read_report(&self.work, node)?.ok_or_else(|| Error::NoEnforcer(node.clone()))
        };
        asked.map(answer).collect::<Result<_, _>>().map(Some)
    }

    /// A command that runs its first argument in the box: in its namespaces and control group, with
    /// `work` as its current folder. It has the caller's standard streams and passes the exit code
    /// on (128 and the number for a signal). `PATH` holds every program that the box shows; of the
    /// caller's environment nothing is there.
    ///
    /// It dies with the box and with the thread that spawns it, so spawn it where you wait for it,
    /// and as a direct child of this process.
    #[must_use]
    pub fn enter_command(&self) -> Command {
        enter::enter_command(&self.launcher, &self.name, self.init, &self.path)
    }

    /// A UDP socket of this process that sends and receives within the box, as node 1 does.
    ///
    /// # Errors
    /// When the box has ended.
    pub fn udp_socket(&self) -> Result<UdpSocket, Error> {
        net::run_within(&self.network_path(), || {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
                .map_err(Error::system("open a socket in the box"))
        })
    }

    /// The first process of the box, as the host numbers it.
    pub(crate) fn init_process(&self) -> u32 {
        self.init
    }

    /// The first node's network, as a file of the host.
    pub(crate) fn network_path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.init).into()
    }

    /// Lets the box live on without this process, until [`crate::take_down`].
    ///
    /// # Errors
    /// [`Error::Launcher`], if the box has ended meanwhile.
    pub fn leave_running(&mut self) -> Result<(), Error> {
        if let Some((_, stdin)) = &mut self.attached {
            protocol::send_message(stdin, &CallerCommand::Keep)
                .map_err(|why| Error::Launcher(why.to_string()))?;
        }
        self.attached = None;
        Ok(())
    }

    /// Takes the box down, and waits until nothing of it is left.
    ///
    /// # Errors
    /// [`Error::Down`], if something is left.
    pub fn take_down(mut self) -> Result<(), Error> {
        if self.attached.is_none() {
            return running_boxes::take_down(
                &BoxCache {
                    root: self.cache.clone(),
                },
                &self.name,
            );
        }
        self.end_box()
    }

    fn end_box(&mut self) -> Result<(), Error> {
        let cache = BoxCache {
            root: self.cache.clone(),
        };
        let Some((mut launcher, stdin)) = self.attached.take() else {
            return Ok(());
        };
        drop(stdin);
        let ended = wait::wait_until(
            "the launcher to end",
            ENDS_WITHIN,
            Duration::from_millis(2),
            || match launcher.try_wait() {
                Ok(None) => WaitLook::NotYet("it has not".into()),
                Ok(Some(status)) => WaitLook::Ready(Ok(status)),
                Err(why) => WaitLook::Ready(Err(why)),
            },
        );
        if ended.is_err() {
            let _ = launcher.kill();
            let _ = launcher.wait();
            running_boxes::sweep_dead(&cache);
        }
        running_boxes::expect_gone(&cache, &self.name)
    }
}

impl Drop for RunningBox {
    fn drop(&mut self) {
        let _ = self.end_box();
    }
}
