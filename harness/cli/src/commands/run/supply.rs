//! Components that are built while what is built already is used: boxes begin as soon as theirs are there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use native::Cache;
use native::components::Component;
use tokio::sync::watch;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::interrupt;
use crate::progress::{Board, Estimate};

/// Which components are built by now.
#[derive(Clone)]
pub(crate) struct Supply {
    state: watch::Receiver<State>,
}

/// What became of the components that were not there at the beginning, by their title.
#[derive(Clone, Default)]
struct State(BTreeMap<String, Progress>);

#[derive(Clone)]
enum Progress {
    Awaited,
    Built,
    Failed(Fault),
}

impl Supply {
    /// Everything is there.
    pub(crate) fn complete() -> Self {
        Self { state: watch::channel(State::default()).1 }
    }

    /// Builds `missing` in this order, on a thread of its own. Another one fetches the modules of all of them.
    pub(crate) fn begin(cache: &Cache, missing: Vec<&'static Component>, board: &Arc<Board>) -> Self {
        let awaited = missing.iter().map(|component| (component.title(), Progress::Awaited)).collect();
        let (tell, state) = watch::channel(State(awaited));
        let (cache, board) = (cache.clone(), Arc::clone(board));
        let (fetching, fetched) = (cache.clone(), missing.clone());
        thread::spawn(move || fetch_all(&fetching, &fetched));
        thread::spawn(move || build_all(&cache, &missing, &board, &tell));
        Self { state }
    }

    /// Waits until these are built.
    ///
    /// # Errors
    /// The fault of the first of them that could not be built.
    pub(crate) async fn wait_for(&self, needed: &[&'static Component]) -> Result<(), Fault> {
        let mut state = self.state.clone();
        let decided = |state: &State| {
            let of = |component: &&Component| state.0.get(&component.title());
            needed.iter().all(|component| !matches!(of(component), Some(Progress::Awaited)))
                || needed.iter().any(|component| matches!(of(component), Some(Progress::Failed(_))))
        };
        let state = state.wait_for(decided).await;
        let lost = || Fault::new(Exit::Broken, "the builds of components ended early");
        let state = state.map_err(|_| lost())?;
        match needed.iter().find_map(|component| match state.0.get(&component.title()) {
            Some(Progress::Failed(fault)) => Some(fault.clone()),
            Some(Progress::Awaited | Progress::Built) | None => None,
        }) {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }
}

/// Fetches ahead of the builds. What cannot be fetched is said by the build that needs it.
fn fetch_all(cache: &Cache, missing: &[&'static Component]) {
    for component in missing {
        let _ = cache.fetch(component, interrupt::LAUNCHER.as_ref());
    }
}

/// Builds one after the other. One that fails does not keep the others from being built.
fn build_all(cache: &Cache, missing: &[&'static Component], board: &Board, tell: &watch::Sender<State>) {
    let mut estimate = Estimate::of(missing);
    for component in missing {
        let mut show = |step| board.build(&step, &mut estimate);
        let built = cache.ensure(&[component], interrupt::LAUNCHER.as_ref(), &mut show);
        let outcome = match built {
            Ok(()) => Progress::Built,
            Err(error) => Progress::Failed(Fault::from(error)),
        };
        tell.send_modify(|state| {
            state.0.insert(component.title(), outcome);
        });
    }
}
