//! What all worlds of one run share.

use std::sync::{Arc, OnceLock};

use api::ApiCaller;
use cluster::Cluster;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use crate::barriers::SentinelObjects;
use crate::discovery::ApiDiscovery;
use crate::secret_markers::SecretMarkers;
use crate::tools::SigningMaterial;
use crate::turns::WorldTurns;
use crate::{EngineEvent, EngineOptions};

/// The `User-Agent` of what the engine asks for itself: set-up, looks and sentinels.
pub(crate) const OWN_AGENT: &str = "gauntlet-engine";

/// What the `User-Agent` of a step's request begins with; the world's namespace follows.
pub(crate) const STEP_AGENT: &str = "gauntlet/";

/// The cluster, and what was learned about it.
pub(crate) struct RunContext<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) options: &'a EngineOptions,
    pub(crate) events: UnboundedSender<EngineEvent>,
    pub(crate) discovery: ApiDiscovery,
    pub(crate) sentinels: SentinelObjects,
    /// The values that must never be shown, of all worlds.
    pub(crate) planted: SecretMarkers,
    /// The first repository that an image was pushed to: what all images have in common is there.
    pub(crate) pushed: OnceLock<String>,
    /// Key pairs and trusted roots.
    pub(crate) material: SigningMaterial,
    /// The turns of worlds that do something.
    pub(crate) turns: WorldTurns,
    /// The engine itself: its set-up and its looks, as administrator.
    pub(crate) own: ApiCaller,
    /// One world at a time counts who refuses: two that do would find each other's refusals.
    pub(crate) refusal_count: Mutex<()>,
}

impl<'a> RunContext<'a> {
    pub(crate) fn new(
        cluster: &'a Cluster,
        options: &'a EngineOptions,
        events: UnboundedSender<EngineEvent>,
    ) -> Self {
        let own = ApiCaller::new(cluster.admin_client().clone(), OWN_AGENT);
        Self {
            cluster,
            options,
            events,
            discovery: ApiDiscovery::default(),
            sentinels: SentinelObjects::new(own.clone()),
            planted: SecretMarkers::default(),
            turns: options.turns.clone(),
            pushed: OnceLock::new(),
            material: SigningMaterial::new(Arc::clone(&options.workshop)),
            own,
            refusal_count: Mutex::new(()),
        }
    }

    pub(crate) fn send_event(&self, event: EngineEvent) {
        let _ = self.events.send(event);
    }
}
