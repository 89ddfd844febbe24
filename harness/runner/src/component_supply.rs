//! Components that are built while what is built already is used: boxes begin as soon as theirs are
//! there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use components::PinnedComponent;
use tokio::sync::watch;

use crate::{BoxStarter, Error, RunEvent, RunObserver};

/// Which components are built by now.
#[derive(Clone)]
pub struct ComponentSupply {
    state: watch::Receiver<BuildStates>,
}

/// What became of the components that were not there at the beginning, by their title.
#[derive(Clone, Default)]
struct BuildStates(BTreeMap<String, BuildState>);

#[derive(Clone)]
enum BuildState {
    Awaited,
    Built,
    Failed(Arc<components::Error>),
}

impl ComponentSupply {
    /// Everything is there.
    #[must_use]
    pub fn all_built() -> Self {
        Self {
            state: watch::channel(BuildStates::default()).1,
        }
    }

    /// Builds `missing` in this order, on a background thread. Another one fetches the modules of
    /// all of them.
    pub(crate) fn begin_builds(
        boxes: &BoxStarter,
        missing: Vec<&'static PinnedComponent>,
        observer: &Arc<dyn RunObserver>,
    ) -> Self {
        if missing.is_empty() {
            return Self::all_built();
        }
        observer.observe_event(RunEvent::BuildsBegin(missing.clone()));
        let awaited = missing
            .iter()
            .map(|component| (component.title(), BuildState::Awaited))
            .collect();
        let (tell, state) = watch::channel(BuildStates(awaited));
        let (boxes, observer) = (boxes.clone(), Arc::clone(observer));
        let (fetching, fetched) = (boxes.clone(), missing.clone());
        thread::spawn(move || fetch_all(&fetching, &fetched));
        thread::spawn(move || build_all(&boxes, &missing, observer.as_ref(), &tell));
        Self { state }
    }

    /// Waits until these are built.
    ///
    /// # Errors
    /// That of the first of them that could not be built.
    pub(crate) async fn wait_for(&self, needed: &[&'static PinnedComponent]) -> Result<(), Error> {
        let mut state = self.state.clone();
        let decided = |state: &BuildStates| {
            let of = |component: &&PinnedComponent| state.0.get(&component.title());
            needed
                .iter()
                .all(|component| !matches!(of(component), Some(BuildState::Awaited)))
                || needed
                    .iter()
                    .any(|component| matches!(of(component), Some(BuildState::Failed(_))))
        };
        let state = state
            .wait_for(decided)
            .await
            .map_err(|_| Error::BuildsEnded)?;
        match needed
            .iter()
            .find_map(|component| match state.0.get(&component.title()) {
                Some(BuildState::Failed(error)) => Some(Arc::clone(error)),
                Some(BuildState::Awaited | BuildState::Built) | None => None,
            }) {
            Some(error) => Err(Error::Build(error)),
            None => Ok(()),
        }
    }
}

/// Fetches ahead of the builds. What cannot be fetched is told by the build that needs it.
fn fetch_all(boxes: &BoxStarter, missing: &[&'static PinnedComponent]) {
    for component in missing {
        let _ = boxes.cache().fetch_modules(component, boxes.launcher());
    }
}

/// Builds one after the other. One that fails does not keep the others from being built.
fn build_all(
    boxes: &BoxStarter,
    missing: &[&'static PinnedComponent],
    observer: &dyn RunObserver,
    tell: &watch::Sender<BuildStates>,
) {
    for component in missing {
        let mut show = |step| observer.observe_event(RunEvent::Build(step));
        let built = boxes
            .cache()
            .ensure_built(&[component], boxes.launcher(), &mut show);
        let outcome = match built {
            Ok(()) => BuildState::Built,
            Err(error) => BuildState::Failed(Arc::new(error)),
        };
        tell.send_modify(|state| {
            state.0.insert(component.title(), outcome);
        });
    }
}
