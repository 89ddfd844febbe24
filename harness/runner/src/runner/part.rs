//! What came of the worlds of one cluster, and of several.

use engine::WorldTrial;
use model::WorldOutcome;

use crate::outcome::{TriedWorld, WHY_NO_CLUSTER, WHY_STOPPED};
use crate::{ClusterFacts, Error, LiveCluster};

/// A world that was left in the queue, with what a first look at it showed.
pub(super) type LeftTrial = (WorldTrial, Option<WorldOutcome>);

/// What came of worlds on one cluster.
pub(super) struct TriedOnCluster {
    pub(super) worlds: Vec<TriedWorld>,
    pub(super) facts: ClusterFacts,
}

/// What becomes of a world for which there is only a cluster that an earlier one left changed.
pub(super) fn without_a_cluster() -> WorldOutcome {
    WorldOutcome::Broken {
        why: "a world before it left this cluster other than it was".into(),
    }
}

/// What becomes of a world that did not begin, because one before it is not as expected.
pub(super) fn into_stopped(left: LeftTrial) -> TriedWorld {
    settle_left(left, || WorldOutcome::Skipped {
        why: WHY_STOPPED.into(),
    })
}

pub(super) fn into_untried(left: LeftTrial) -> TriedWorld {
    settle_left(left, without_a_cluster)
}

/// What becomes of a world whose cluster never was.
pub(super) fn into_clusterless(left: LeftTrial) -> TriedWorld {
    settle_left(left, || WorldOutcome::Broken {
        why: WHY_NO_CLUSTER.into(),
    })
}

/// Where only the second look was not taken, the first one counts.
fn settle_left((trial, first): LeftTrial, otherwise: fn() -> WorldOutcome) -> TriedWorld {
    let outcome = first.unwrap_or_else(otherwise);
    (trial.scenario.id.clone(), trial.world, outcome)
}

/// What came of some of the clusters of a run.
#[derive(Default)]
pub(super) struct RunPart {
    pub(super) worlds: Vec<TriedWorld>,
    pub(super) clusters: Vec<ClusterFacts>,
    pub(super) errors: Vec<Error>,
    pub(super) live: Vec<LiveCluster>,
}

impl RunPart {
    /// What becomes of worlds whose cluster never was.
    pub(super) fn without_cluster(trials: Vec<LeftTrial>, error: Error) -> Self {
        Self {
            worlds: trials.into_iter().map(into_clusterless).collect(),
            errors: vec![error],
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, part: Self) {
        self.worlds.extend(part.worlds);
        self.clusters.extend(part.clusters);
        self.errors.extend(part.errors);
        self.live.extend(part.live);
    }
}
