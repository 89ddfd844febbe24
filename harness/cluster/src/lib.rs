//! Gives you a cluster: the box, or one that exists.
//!
//! A [`Cluster`] is an administrator's client, the two other ways in (a token, anonymous), and what
//! is known about the cluster: its release, its nodes, where its audit log is. What a cluster has
//! to look like before its API server starts is a [`ClusterSpec`].

mod connect;
mod context;
mod error;
mod facts;
mod host_access;
mod progress;
mod provider;
mod sealing;
mod sweep;
mod trust;

use std::path::{Path, PathBuf};
use std::time::Duration;

use components::BoxCache;
// The client wants one release of the API to be chosen.
use k8s_openapi as _;
use kube::{Client, Config};
use model::{ClusterSpec, FileText, FirstObject};

pub use error::Error;
pub use facts::{AuditAccess, ClusterProfile};
pub use host_access::HostAccess;
pub use native::doctor::free_memory;
pub use native::inotify::{instances_for_boxes, instances_of_box};
pub use native::{EnforcerReport, ProxyReport, SeenVersions, needed_components};
pub use progress::ClusterProgress;
pub use provider::ClusterProvider;
pub use sealing::{SealingKeys, kms_endpoint};
pub use trust::{TrustedParties, VALID_FROM};

/// The `User-Agent` of what is asked of a cluster before and after its worlds.
const USER_AGENT: &str = "gauntlet-cluster";

/// A cluster that answers.
pub struct Cluster {
    config: Config,
    admin: Client,
    /// The authenticating proxy's, where the cluster has one that is ours.
    proxy: Option<Client>,
    facts: ClusterProfile,
    ours: Option<native::RunningBox>,
    /// Whether it began with a first state of the caller's.
    begun: bool,
    /// What was reached after the box itself was up.
    later: Vec<(String, Duration)>,
    sealing: SealingKeys,
}

impl Cluster {
    /// Starts a box, which dies with this program. What runs in pods beside Kubernetes is the
    /// caller's to install; `first_state` has it in place beforehand. `progress` is called on
    /// another thread.
    ///
    /// # Errors
    /// When the box does not start, or its API server does not answer.
    pub async fn start_box(
        cache: &BoxCache,
        name: &str,
        launcher: &Path,
        cluster: &ClusterSpec,
        first_state: Option<FirstState>,
        progress: impl FnMut(ClusterProgress) + Send + 'static,
    ) -> Result<Self, Error> {
        let sealing = SealingKeys::random().map_err(|_| Error::NoRandom)?;
        let mut own = cluster.clone();
        if let Some(FileText(text)) = own.encryption.file_mut() {
            *text = sealing.names(text).fill_text(text);
        }
        let (state, objects) = first_state.map(|state| (state.name, state.objects)).unzip();
        let spec = native::BoxSpec {
            name: name.into(),
            cluster: own,
            first_state: state,
            launcher: launcher.into(),
        };
        let own_cache = cache.clone();
        let started =
            tokio::task::spawn_blocking(move || start_box(&own_cache, &spec, objects, progress));
        let (running, begun) = started.await.map_err(|source| Error::Thread { source })??;
        let config = connect::read_kubeconfig(Some(&running.kubeconfig), None)
            .await?
            .config;
        let admin = connect::make_client(config.clone())?;
        let proxy = connect::read_kubeconfig(Some(&running.front_proxy), None).await?;
        let proxy = connect::make_client(proxy.config)?;
        let mut facts =
            ClusterProfile::ask_cluster(&admin, &config.cluster_url.to_string()).await?;
        facts.audit = running
            .audit_log
            .clone()
            .map_or(AuditAccess::None, AuditAccess::File);
        facts.logs = Some(running.logs.clone());
        facts.ephemeral = true;
        facts.has_probe_image = !facts.nodes.is_empty();
        Ok(Self {
            config,
            admin,
            proxy: Some(proxy),
            facts,
            ours: Some(running),
            begun,
            later: Vec::new(),
            sealing,
        })
    }

    /// Attaches to a cluster that exists: `kubeconfig`, else `$KUBECONFIG`, else `~/.kube/config`;
    /// `context`, else the current one. A context whose name does not say that the cluster can be
    /// thrown away is refused, unless the caller says that it is `disposable`.
    ///
    /// # Errors
    /// A kubeconfig or context that is not there, a context that is not plainly disposable, a
    /// server that does not answer, an identity without the rights.
    pub async fn attach_existing(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
        disposable: bool,
    ) -> Result<Self, Error> {
        let found = connect::read_kubeconfig(kubeconfig, context).await?;
        if !disposable && !context::is_disposable(&found.context) {
            return Err(Error::NotDisposable {
                context: found.context,
            });
        }
        let admin = connect::make_client(found.config.clone())?;
        let facts =
            ClusterProfile::ask_cluster(&admin, &found.config.cluster_url.to_string()).await?;
        let sealing = SealingKeys::random().map_err(|_| Error::NoRandom)?;
        Ok(Self {
            config: found.config,
            admin,
            proxy: None,
            facts,
            ours: None,
            begun: false,
            later: Vec::new(),
            sealing,
        })
    }

    /// The administrator's client. It neither retries nor holds requests back.
    #[must_use]
    pub fn admin_client(&self) -> &Client {
        &self.admin
    }

    /// A client of the cluster's authenticating proxy: a request with `X-Remote-User`,
    /// `X-Remote-Group`, `X-Remote-Uid` and `X-Remote-Extra-…` is that user's own, as far as the
    /// API server, its audit log and all controls can tell. A box has one.
    #[must_use]
    pub fn authenticating_proxy(&self) -> Option<&Client> {
        self.proxy.as_ref()
    }

    /// A client with this bearer token and no other credentials.
    ///
    /// # Errors
    /// When no client can be made of it.
    pub fn with_token(&self, token: &str) -> Result<Client, Error> {
        let mut config = self.config.clone();
        config.auth_info = connect::bearer_client(token);
        connect::make_client(config)
    }

    /// A client without credentials.
    ///
    /// # Errors
    /// When no client can be made of it.
    pub fn anonymous_client(&self) -> Result<Client, Error> {
        let mut config = self.config.clone();
        config.auth_info = kube::config::AuthInfo::default();
        connect::make_client(config)
    }

    /// What is known about it.
    #[must_use]
    pub fn facts(&self) -> &ClusterProfile {
        &self.facts
    }

    /// The keys with which its encryption configurations are filled.
    #[must_use]
    pub fn sealing_keys(&self) -> &SealingKeys {
        &self.sealing
    }

    /// The way into the box.
    #[must_use]
    pub fn host_access(&self) -> Option<HostAccess<'_>> {
        self.ours.as_ref().map(|running| HostAccess { running })
    }

    /// The box's milestones: what was reached, and how long after the start. Empty for a cluster
    /// that was there before.
    #[must_use]
    pub fn milestones(&self) -> Vec<(String, Duration)> {
        let of_box = self
            .ours
            .as_ref()
            .map_or_else(Vec::new, native::RunningBox::milestones);
        of_box
            .into_iter()
            .chain(self.later.iter().cloned())
            .collect()
    }

    /// Adds milestones that were reached after the box itself was up.
    pub fn add_milestones(&mut self, milestones: Vec<(String, Duration)>) {
        self.later.extend(milestones);
    }

    /// Whether it began with the first state that the caller gave.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// The box's control groups, one folder for each tree of the host. Empty for a cluster that was
    /// there before.
    #[must_use]
    pub fn cgroups(&self) -> &[PathBuf] {
        self.ours.as_ref().map_or(&[], |running| &running.cgroups)
    }

    /// Lets the box live on without this program, until it is taken down by its name.
    ///
    /// # Errors
    /// When it has ended meanwhile.
    pub fn leave_running(&mut self) -> Result<(), Error> {
        self.ours.as_mut().map_or(Ok(()), |running| {
            running
                .leave_running()
                .map_err(|source| Error::Box { source })
        })
    }

    /// Takes the box down and waits until nothing of it is left; a cluster that was there before
    /// stays.
    ///
    /// # Errors
    /// When something was left behind.
    pub async fn take_down(self) -> Result<(), Error> {
        let Some(running) = self.ours else {
            return Ok(());
        };
        tokio::task::spawn_blocking(move || running.take_down())
            .await
            .map_err(|source| Error::Thread { source })?
            .map_err(|source| Error::Box { source })
    }
}

/// What a box begins with beside Kubernetes' own objects.
pub struct FirstState {
    /// The name under which it is kept. It says what is in it.
    pub name: String,
    /// Makes the objects; it is called where no box has begun with this state yet, once the
    /// components are built.
    pub objects: FirstObjects,
}

/// Makes the objects of a first state.
pub type FirstObjects =
    Box<dyn FnOnce() -> Result<Vec<FirstObject>, Box<dyn std::error::Error + Send + Sync>> + Send>;

/// Starts a box, from a first state where there is one; says whether it did.
fn start_box(
    cache: &BoxCache,
    spec: &native::BoxSpec,
    first_objects: Option<FirstObjects>,
    mut progress: impl FnMut(ClusterProgress),
) -> Result<(native::RunningBox, bool), Error> {
    let failed = |source| Error::Box { source };
    let mut tell = |step: native::BoxProgress| progress(step.into());
    let has_state = first_objects.is_some();
    if let Some(first_objects) = first_objects.filter(|_| !native::is_prepared(cache, spec)) {
        let build_failed = |source: components::Error| failed(source.into());
        let needed = needed_components(&spec.cluster).map_err(build_failed)?;
        let mut build = |step| tell(native::BoxProgress::Build(step));
        cache
            .ensure_built(&needed, &spec.launcher, &mut build)
            .map_err(build_failed)?;
        let objects = first_objects().map_err(|source| Error::FirstState { source })?;
        native::prepare_template(cache, spec, objects, &mut tell).map_err(failed)?;
    }
    let begun = has_state && native::is_prepared(cache, spec);
    Ok((
        native::start_box(cache, spec, true, &mut tell).map_err(failed)?,
        begun,
    ))
}
