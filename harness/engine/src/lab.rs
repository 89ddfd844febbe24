//! What all worlds of one run share.

use std::sync::{Arc, OnceLock};

use cluster::Cluster;
use tokio::sync::mpsc::UnboundedSender;

use crate::canaries::SecretMarkers;
use crate::discovery::Discovery;
use crate::request::{OWN_AGENT, Who};
use crate::settle::Sentinels;
use crate::tools::SigningMaterial;
use crate::turns::Turns;
use crate::{Event, Options};

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
    pub(crate) own: Who,
}

impl<'a> Lab<'a> {
    pub(crate) fn new(
        cluster: &'a Cluster,
        options: &'a Options,
        events: UnboundedSender<Event>,
    ) -> Self {
        let own = Who {
            client: cluster.admin().clone(),
            headers: Vec::new(),
            agent: OWN_AGENT.into(),
        };
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
