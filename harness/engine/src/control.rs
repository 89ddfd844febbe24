//! What a caller can do to a run while it goes on: let no further world begin, and hold one that
//! is not as expected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

/// Raised once no further world is to begin. Those that have begun are tried to their end.
#[derive(Clone, Debug, Default)]
pub struct StopFlag {
    is_raised: Arc<AtomicBool>,
    at_failure: bool,
}

impl StopFlag {
    /// One that the first world raises which is not as expected.
    #[must_use]
    pub fn at_failure() -> Self {
        Self {
            at_failure: true,
            ..Self::default()
        }
    }

    /// Whether no further world is to begin.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Relaxed)
    }

    /// Takes note of a world that came to its end.
    pub(crate) fn note_world(&self, is_as_expected: bool) {
        if self.at_failure && !is_as_expected {
            self.is_raised.store(true, Ordering::Relaxed);
        }
    }
}

/// A world that is not as expected, before anything of it is taken away. It waits until this is
/// dropped.
#[derive(Debug)]
pub struct PausedWorld {
    /// The scenario.
    pub id: String,
    /// The world.
    pub world: String,
    /// Its namespace.
    pub namespace: String,
    /// The name of its cluster.
    pub cluster: String,
    _go_on: oneshot::Sender<()>,
}

/// Where worlds that are to wait are sent. Where nothing receives them, none waits.
#[derive(Clone, Debug)]
pub struct WorldPauses {
    sender: mpsc::UnboundedSender<PausedWorld>,
    cluster: String,
}

impl WorldPauses {
    /// Where to send them, and where they come.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<PausedWorld>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let pauses = Self {
            sender,
            cluster: String::new(),
        };
        (pauses, receiver)
    }

    /// The same for the worlds of a cluster of this name.
    #[must_use]
    pub fn on_cluster(self, name: &str) -> Self {
        Self {
            cluster: name.to_owned(),
            ..self
        }
    }

    /// Waits until the receiver has dropped this world.
    pub(crate) async fn hold_world(&self, id: &str, world: &str, namespace: &str) {
        let (go_on, gone) = oneshot::channel();
        let paused = PausedWorld {
            id: id.to_owned(),
            world: world.to_owned(),
            namespace: namespace.to_owned(),
            cluster: self.cluster.clone(),
            _go_on: go_on,
        };
        if self.sender.send(paused).is_ok() {
            let _ = gone.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_stops_and_only_where_it_is_to() {
        let (never, at_failure) = (StopFlag::default(), StopFlag::at_failure());
        for flag in [&never, &at_failure] {
            flag.note_world(true);
            assert!(!flag.is_raised());
            flag.clone().note_world(false);
        }
        assert!(!never.is_raised() && at_failure.is_raised());
    }

    #[tokio::test]
    async fn a_world_waits_until_it_is_dropped() {
        let (pauses, mut paused) = WorldPauses::channel();
        let pauses = pauses.on_cluster("kind-a");
        let hold = pauses.hold_world("a/b", "bare", "ns");
        let mut hold = std::pin::pin!(hold);
        assert!(futures::poll!(hold.as_mut()).is_pending());
        let world = paused.recv().await.unwrap();
        assert_eq!(
            [&world.id, &world.world, &world.namespace, &world.cluster],
            ["a/b", "bare", "ns", "kind-a"]
        );
        assert!(futures::poll!(hold.as_mut()).is_pending());
        drop(world);
        hold.await;
        drop(paused);
        pauses.hold_world("a/b", "bare", "ns").await;
    }
}
