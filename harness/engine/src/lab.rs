//! What all worlds of one run share.

use std::sync::{Arc, OnceLock};

use api::Caller;
use cluster::Cluster;
use tokio::sync::mpsc::UnboundedSender;

use crate::canaries::SecretMarkers;
use crate::discovery::Discovery;
use crate::settle::Sentinels;
use crate::tools::SigningMaterial;
use crate::turns::Turns;
use crate::{Event, Options};

/// The `User-Agent` of what the engine asks for itself: set-up, looks and canaries.
pub(crate) const OWN_AGENT: &str = "gauntlet-engine";

/// The cluster, and what was learned about it.
pub(crate) struct Lab<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) options: &'a Options,
    pub(crate) events: UnboundedSender<Event>,
    pub(crate) discovery: Discovery,
    pub(crate) canaries: Sentinels,
    /// The values that must never be shown, of all worlds.
    pub(crate) planted: SecretMarkers,
    /// The first repository that an image was pushed to: what all images have in common is there.
    pub(crate) pushed: OnceLock<String>,
    /// Key pairs and trusted roots.
    pub(crate) material: SigningMaterial,
    /// The turns of worlds that do something.
    pub(crate) turns: Turns,
    /// The engine itself: its set-up and its looks, as administrator.
    pub(crate) own: Caller,
}

impl<'a> Lab<'a> {
    pub(crate) fn new(
        cluster: &'a Cluster,
        options: &'a Options,
        events: UnboundedSender<Event>,
    ) -> Self {
        let own = Caller::new(cluster.admin().clone(), OWN_AGENT);
        Self {
            cluster,
            options,
            events,
            discovery: Discovery::default(),
            canaries: Sentinels::new(own.clone()),
            planted: SecretMarkers::default(),
            turns: options.turns.clone(),
            pushed: OnceLock::new(),
            material: SigningMaterial::new(Arc::clone(&options.workshop)),
            own,
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}
