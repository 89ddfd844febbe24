//! The outcome of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{LoadedScenario, RecordedOutcome, WorldOutcome};

use crate::{ClusterFacts, Error, LiveCluster};

/// Why a world is broken whose cluster did not start; the cluster's own error is reported once, for
/// all of them.
pub const WHY_NO_CLUSTER: &str = "its cluster did not start";

/// Why a world was not tried that had not begun when another one failed.
pub const WHY_STOPPED: &str =
    "a world before it is not as expected, and no further one was to begin";

/// The outcome of a run.
#[derive(Default)]
pub struct RunOutcome {
    /// Every scenario of the plan, in its order, with all of its worlds.
    pub scenarios: Vec<ScenarioOutcome>,
    /// The clusters on which worlds were tried.
    pub clusters: Vec<ClusterFacts>,
    /// What ended a cluster, or kept one from starting. One build that failed can be named for
    /// several clusters.
    pub errors: Vec<Error>,
    /// Namespaces that were kept, of worlds in which something is not as intended.
    pub kept: Vec<KeptNamespace>,
    /// What worlds left behind.
    pub leaks: Vec<String>,
    /// Clusters that are still up.
    pub live: Vec<LiveCluster>,
}

/// One scenario, and what its worlds came to, in the file's order.
#[derive(Clone, Debug)]
pub struct ScenarioOutcome {
    /// The scenario.
    pub scenario: Arc<LoadedScenario>,
    /// What its worlds came to.
    pub outcome: RecordedOutcome,
}

/// A namespace that is still there to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptNamespace {
    /// The scenario.
    pub id: String,
    /// The world.
    pub world: String,
    /// The namespace.
    pub namespace: String,
}

/// A world's outcome, with its scenario's id and its name.
pub(crate) type TriedWorld = (String, String, WorldOutcome);

/// Puts the worlds of every scenario back together, in the file's order. A world of which nothing
/// is known is broken.
pub(crate) fn gather_outcome(
    scenarios: &[Arc<LoadedScenario>],
    worlds: Vec<TriedWorld>,
) -> Vec<ScenarioOutcome> {
    let mut worlds: BTreeMap<(String, String), WorldOutcome> = worlds
        .into_iter()
        .map(|(id, world, outcome)| ((id, world), outcome))
        .collect();
    let mut seen = |loaded: &LoadedScenario, world: &String| {
        let seen = worlds.remove(&(loaded.id.clone(), world.clone()));
        seen.unwrap_or_else(|| WorldOutcome::Broken {
            why: "it was never tried".into(),
        })
    };
    let mut whole = |loaded: &Arc<LoadedScenario>| {
        let names = loaded.scenario.worlds.keys();
        let worlds = names
            .map(|world| (world.clone(), seen(loaded, world)))
            .collect();
        ScenarioOutcome {
            scenario: Arc::clone(loaded),
            outcome: RecordedOutcome {
                id: loaded.id.clone(),
                worlds,
            },
        }
    };
    scenarios.iter().map(&mut whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::scenario;

    #[test]
    fn worlds_come_back_in_the_order_of_the_file() {
        let loaded = scenario(
            "a/b",
            "worlds: { bare: {}, other: {}, third: {} }",
            "[{ id: x, do: check-secrets, expect: intact }]",
        );
        let skipped = |why: &str| WorldOutcome::Skipped { why: why.into() };
        let worlds = vec![
            ("a/b".to_owned(), "third".to_owned(), skipped("third")),
            ("a/b".to_owned(), "bare".to_owned(), skipped("bare")),
            (
                "a/c".to_owned(),
                "other".to_owned(),
                skipped("another scenario's"),
            ),
        ];
        let gathered = gather_outcome(&[loaded], worlds);
        let worlds = &gathered[0].outcome.worlds;
        assert_eq!(
            worlds.keys().collect::<Vec<_>>(),
            ["bare", "other", "third"]
        );
        assert_eq!(worlds["third"], skipped("third"));
        assert_eq!(
            worlds["other"],
            WorldOutcome::Broken {
                why: "it was never tried".into()
            }
        );
        assert!(
            worlds.values().all(|world| !world.has_passed()),
            "what is skipped has not passed"
        );
    }
}
