//! Starting boxes, and keeping account of those that are up.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cluster::{Cluster, ClusterProgress};
use components::BoxCache;
use model::ClusterSpec;

use crate::{ClusterFacts, Error};

/// The names of the boxes that this program has started, or is about to, and has to take down. A
/// signal handler that ends the program early reads it.
#[derive(Clone, Debug, Default)]
pub struct LiveBoxes(Arc<Mutex<BTreeSet<String>>>);

impl LiveBoxes {
    /// Those that are up now, or about to be.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0
            .lock()
            .map(|names| names.iter().cloned().collect())
            .unwrap_or_default()
    }

    fn add(&self, name: &str) {
        if let Ok(mut names) = self.0.lock() {
            names.insert(name.to_owned());
        }
    }

    fn remove(&self, name: &str) {
        if let Ok(mut names) = self.0.lock() {
            names.remove(name);
        }
    }
}

/// Starts boxes.
#[derive(Clone, Debug)]
pub struct BoxStarter {
    cache: BoxCache,
    launcher: PathBuf,
    live: LiveBoxes,
}

impl BoxStarter {
    /// Boxes out of this cache. `launcher` is a program that calls `native::hidden_main` first of
    /// all: this one.
    #[must_use]
    pub fn new(cache: BoxCache, launcher: impl Into<PathBuf>, live: LiveBoxes) -> Self {
        Self {
            cache,
            launcher: launcher.into(),
            live,
        }
    }

    /// Starts a box that dies with this program, and waits until its API server and addons answer.
    /// `progress` is called on another thread.
    ///
    /// # Errors
    /// When it does not start; nothing of it is left then.
    pub async fn start(
        &self,
        name: &str,
        spec: &ClusterSpec,
        progress: impl FnMut(ClusterProgress) + Send + 'static,
    ) -> Result<LiveCluster, Error> {
        let began = Instant::now();
        self.live.add(name);
        match addons::start_box(&self.cache, name, &self.launcher, spec, progress).await {
            Ok(cluster) => Ok(LiveCluster {
                name: name.to_owned(),
                cluster,
                start: began.elapsed(),
                live: Some(self.live.clone()),
            }),
            Err(error) => {
                self.live.remove(name);
                Err(error.into())
            }
        }
    }

    /// Boxes whose names begin so, that are still there, and are in no account.
    #[must_use]
    pub fn find_strays(&self, prefix: &str) -> Vec<String> {
        let live = self.live.names();
        let names = std::fs::read_dir(self.cache.boxes_folder())
            .into_iter()
            .flatten()
            .flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let is_live = |name: &String| live.contains(name);
        names
            .filter(|name| name.starts_with(prefix) && !is_live(name))
            .collect()
    }

    pub(crate) fn cache(&self) -> &BoxCache {
        &self.cache
    }

    pub(crate) fn launcher(&self) -> &Path {
        &self.launcher
    }
}

/// A cluster that answers: a box of ours, or one that was there before.
pub struct LiveCluster {
    name: String,
    cluster: Cluster,
    start: Duration,
    /// Where the box is accounted for; nothing for a cluster that was there before.
    live: Option<LiveBoxes>,
}

impl LiveCluster {
    /// Attaches to a cluster that exists, as [`Cluster::attach_existing`] does.
    ///
    /// # Errors
    /// When it is not there, or may not be used.
    pub async fn attach(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
        disposable: bool,
    ) -> Result<Self, Error> {
        let began = Instant::now();
        let cluster = Cluster::attach_existing(kubeconfig, context, disposable).await?;
        let name = context.unwrap_or("current context").to_owned();
        Ok(Self {
            name,
            cluster,
            start: began.elapsed(),
            live: None,
        })
    }

    /// The name of its box, or of its context.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets a box live on without this program, until it is taken down by its name.
    ///
    /// # Errors
    /// When it has ended meanwhile.
    pub fn let_stay(mut self) -> Result<(), Error> {
        self.cluster.leave_running()?;
        if let Some(live) = &self.live {
            live.remove(&self.name);
        }
        Ok(())
    }

    /// Takes a box down and waits until nothing of it is left; a cluster that was there before
    /// stays.
    ///
    /// # Errors
    /// When something is left.
    pub async fn take_down(self) -> Result<(), Error> {
        let Self {
            name,
            cluster,
            live,
            ..
        } = self;
        let gone = cluster.take_down().await;
        if let Some(live) = live {
            live.remove(&name);
        }
        gone.map_err(|source| Error::NotTakenDown { name, source })
    }

    pub(crate) fn describe(&self, worlds: usize) -> ClusterFacts {
        ClusterFacts {
            name: self.name.clone(),
            version: self.cluster.facts().version.clone(),
            worlds,
            start: self.start,
            milestones: self.cluster.milestones(),
        }
    }
}

impl Deref for LiveCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_nobody_accounts_for_is_a_stray() {
        let root = tempfile::tempdir().unwrap();
        let cache = BoxCache {
            root: root.path().to_owned(),
        };
        for name in ["run-7-1", "run-7-2", "run-7-10", "run-70-1", "box"] {
            std::fs::create_dir_all(cache.boxes_folder().join(name)).unwrap();
        }
        let live = LiveBoxes::default();
        live.add("run-7-1");
        let boxes = BoxStarter::new(cache, "/proc/self/exe", live.clone());
        let strays = || {
            boxes
                .find_strays("run-7-")
                .into_iter()
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(strays(), ["run-7-2", "run-7-10"].map(str::to_owned).into());
        live.remove("run-7-1");
        assert_eq!(strays().len(), 3);
    }
}
