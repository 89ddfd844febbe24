//! The account of one run: what was begun, what of it was taken away, and what is left.

use std::sync::{Arc, Mutex};

use engine::EngineEvent;
use model::LoadedScenario;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::ledger::RunLedger;
use crate::outcome::{KeptNamespace, TriedWorld};
use crate::{RunEvent, RunObserver};

/// The ledger of one run, and the tasks that enter events into it and pass them on.
pub(super) struct RunAccount {
    ledger: Arc<Mutex<RunLedger>>,
    observer: Arc<dyn RunObserver>,
    /// A task for each cluster.
    clerks: Mutex<Vec<JoinHandle<()>>>,
}

impl RunAccount {
    pub(super) fn new(observer: &Arc<dyn RunObserver>, scenarios: &[Arc<LoadedScenario>]) -> Self {
        let ledger = Arc::new(Mutex::new(RunLedger::new(scenarios)));
        Self {
            ledger,
            observer: Arc::clone(observer),
            clerks: Mutex::default(),
        }
    }

    /// Where a cluster's events go, for as long as there are senders.
    pub(super) fn receive_events(&self) -> UnboundedSender<EngineEvent> {
        let (sender, mut events) = unbounded_channel();
        let (ledger, observer) = (Arc::clone(&self.ledger), Arc::clone(&self.observer));
        let clerk = tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let done = ledger
                    .lock()
                    .ok()
                    .and_then(|mut ledger| ledger.note_event(&event));
                observer.observe_event(RunEvent::World(event));
                done.into_iter()
                    .for_each(|done| observer.observe_event(done));
            }
        });
        if let Ok(mut clerks) = self.clerks.lock() {
            clerks.push(clerk);
        }
        sender
    }

    /// Waits until every event is entered. The clusters have said all that they have to say.
    pub(super) async fn hear_all(&self) {
        let clerks = self
            .clerks
            .lock()
            .map(|mut all| std::mem::take(&mut *all))
            .unwrap_or_default();
        for clerk in clerks {
            let _ = clerk.await;
        }
    }

    pub(super) fn namespaces(&self) -> Vec<String> {
        self.ledger
            .lock()
            .map(|ledger| ledger.namespaces())
            .unwrap_or_default()
    }

    pub(super) fn find_kept(&self, worlds: &[TriedWorld]) -> Vec<KeptNamespace> {
        self.ledger
            .lock()
            .map(|ledger| ledger.find_kept(worlds))
            .unwrap_or_default()
    }

    pub(super) fn take_leaks(&self) -> Vec<String> {
        self.ledger
            .lock()
            .map(|mut ledger| ledger.take_leaks())
            .unwrap_or_default()
    }
}
