//! A box that is up, in its caller's hands.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::protocol::{self, KEEP, Ready};
use crate::wait::{self, Look};
use crate::{Error, enter, registry};

const PATIENCE: Duration = Duration::from_secs(40);

/// A process of the box that ended although it should not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Its name, such as `kube-apiserver`.
    pub process: String,
    /// How it ended: `exit code 1`, `killed by SIGKILL`.
    pub status: String,
    /// The last lines of its log.
    pub tail: String,
}

/// What becomes known while the box is up.
#[derive(Clone, Debug)]
pub(crate) struct Later(Arc<Mutex<Known>>);

#[derive(Debug)]
struct Known {
    milestones: Vec<(String, Duration)>,
    deaths: Vec<Death>,
}

impl Later {
    pub(crate) fn new(milestones: Vec<(String, Duration)>) -> Self {
        Self(Arc::new(Mutex::new(Known { milestones, deaths: Vec::new() })))
    }

    pub(crate) fn died(&self, death: Death) {
        self.lock().deaths.push(death);
    }

    pub(crate) fn reached(&self, milestone: String, at: Duration) {
        self.lock().milestones.push((milestone, at));
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A box that is up. Dropping an attached one takes it down, and waits until nothing of it is left.
#[derive(Debug)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// A kubeconfig of its administrator, readable by its owner alone.
    pub kubeconfig: PathBuf,
    /// The API server, as `https://ADDRESS:6443`.
    pub server: String,
    /// The folder with `PROCESS.log` for each process. It goes with the box.
    pub logs: PathBuf,
    /// The audit log, where the shape has one: one JSON event a line.
    pub audit_log: Option<PathBuf>,
    /// The box's control groups, one folder for each tree of the host; they hold all of its processes.
    pub cgroups: Vec<PathBuf>,
    /// The Kubernetes release, as `1.36.3`.
    pub kubernetes: String,
    /// A folder of the host that the box sees at `/run/gauntlet/work`.
    pub work: PathBuf,
    /// The box's address: its services listen there at their ports.
    pub address: IpAddr,
    /// The box's certificate authority, PEM.
    pub ca: String,
    /// The public key of the transparency log, PEM, where there is one. The log's origin is `rekor.box`.
    pub rekor_key: Option<String>,
    launcher: PathBuf,
    init: u32,
    path: String,
    cache: PathBuf,
    later: Later,
    attached: Option<(Child, ChildStdin)>,
}

impl Running {
    pub(crate) fn new(
        cache: &Path,
        name: &str,
        launcher: &Path,
        ready: Ready,
        later: Later,
        attached: Option<(Child, ChildStdin)>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            kubeconfig: ready.kubeconfig,
            server: ready.server,
            logs: ready.logs,
            audit_log: ready.audit_log,
            cgroups: ready.cgroups,
            kubernetes: ready.kubernetes,
            work: ready.work,
            address: ready.address,
            ca: ready.ca,
            rekor_key: ready.rekor_key,
            launcher: launcher.to_owned(),
            init: ready.init,
            path: ready.path,
            cache: cache.to_owned(),
            later,
            attached,
        }
    }

    /// The processes that have ended since the start although they should not have.
    #[must_use]
    pub fn deaths(&self) -> Vec<Death> {
        self.later.lock().deaths.clone()
    }

    /// What the start has reached so far, and when, counted from its beginning. `readyz` may come after the start has
    /// returned: two of its checks wait a second before they look at what a seeded box has from the beginning.
    #[must_use]
    pub fn milestones(&self) -> Vec<(String, Duration)> {
        self.later.lock().milestones.clone()
    }

    /// A command that runs its first argument in the box: in its namespaces and control group, with `work` as its
    /// current folder. It has the caller's standard streams and passes the exit code on (128 and the number for a
    /// signal). `PATH` holds every program that the box shows; of the caller's environment nothing is there.
    ///
    /// It dies with the box and with the thread that spawns it, so spawn it where you wait for it, and as a direct
    /// child of this process.
    #[must_use]
    pub fn enter(&self) -> Command {
        enter::command(&self.launcher, &self.name, self.init, &self.path)
    }

    /// Lets the box live on without this process, until [`crate::down`].
    ///
    /// # Errors
    /// [`Error::Launcher`], if the box has ended meanwhile.
    pub fn stay(&mut self) -> Result<(), Error> {
        if let Some((_, stdin)) = &mut self.attached {
            protocol::send_word(stdin, KEEP).map_err(|why| Error::Launcher(why.to_string()))?;
        }
        self.attached = None;
        Ok(())
    }

    /// Takes the box down, and waits until nothing of it is left.
    ///
    /// # Errors
    /// [`Error::Down`], if something is left.
    pub fn down(mut self) -> Result<(), Error> {
        if self.attached.is_none() {
            return registry::down(&Cache { root: self.cache.clone() }, &self.name);
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), Error> {
        let cache = Cache { root: self.cache.clone() };
        let Some((mut launcher, stdin)) = self.attached.take() else {
            return Ok(());
        };
        drop(stdin);
        let ended =
            wait::until("the launcher to end", PATIENCE, Duration::from_millis(2), || match launcher.try_wait() {
                Ok(None) => Look::NotYet("it has not".into()),
                Ok(Some(status)) => Look::Ready(Ok(status)),
                Err(why) => Look::Ready(Err(why)),
            });
        if ended.is_err() {
            let _ = launcher.kill();
            let _ = launcher.wait();
            registry::sweep(&cache);
        }
        match registry::is_gone(&cache, &self.name) {
            true => Ok(()),
            false => Err(Error::Down { name: self.name.clone(), why: "its control groups or its folder".into() }),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
