//! The order of trials: isolated ones side by side, then the others one at a time; and a second
//! look. A world that leaves the cluster other than it found it is the last one there.

use futures::StreamExt;
use futures::stream;
use indexmap::IndexMap;
use model::{CellStatus, ClusterSpec, ImpactScope, OutcomeCell, Verdict, WorldOutcome};

use crate::run_context::RunContext;
use crate::world::{LiveWorld, WorldCase, is_as_expected};
use crate::{EngineEvent, WorldTrial, scope};

/// Tries every trial that the cluster is good for; outcomes in the order of `trials`, nothing for
/// one that was not tried.
pub(crate) async fn try_all(
    run: &RunContext<'_>,
    trials: &[WorldTrial],
) -> Vec<Option<WorldOutcome>> {
    let everything: Vec<usize> = (0..trials.len()).collect();
    let mut outcomes: Vec<Option<WorldOutcome>> = trials.iter().map(|_| None).collect();
    let (tried, is_as_before) = try_once(run, trials, &everything, false).await;
    for (index, outcome) in tried {
        outcomes[index] = Some(outcome);
    }
    if !run.options.ends_at_failure && is_as_before {
        recheck_worlds(run, trials, &mut outcomes).await;
    }
    outcomes
}

/// Tries the trials of these indices, until one leaves the cluster other than it was: their
/// outcomes, and whether none did.
async fn try_once(
    run: &RunContext<'_>,
    trials: &[WorldTrial],
    indices: &[usize],
    again: bool,
) -> (Vec<(usize, WorldOutcome)>, bool) {
    let is_alone = |index: &&usize| {
        scope::world_scope(&trials[**index].scenario, &trials[**index].world)
            == ImpactScope::Cluster
    };
    let (alone, beside): (Vec<&usize>, Vec<&usize>) = indices.iter().partition(is_alone);
    let one = async |index: &usize| {
        let trial = &trials[*index];
        let turn = run.turns.begin_turn().await;
        if run.options.stop.is_raised() && !again {
            return (*index, None, true);
        }
        let (outcome, is_as_before) = match WorldCase::find_world(&trial.scenario, &trial.world) {
            Ok(case) => LiveWorld::new(run, case, turn, again).try_out().await,
            Err(why) => {
                let (id, world) = (trial.scenario.id.clone(), trial.world.clone());
                let outcome = WorldOutcome::Broken {
                    why: why.in_one_line(),
                };
                run.send_event(EngineEvent::WorldDone {
                    id,
                    world,
                    outcome: outcome.clone(),
                });
                (outcome, true)
            }
        };
        run.options.stop.note_world(is_as_expected(&outcome));
        (*index, Some(outcome), is_as_before)
    };
    let beside: Vec<_> = stream::iter(beside)
        .map(one)
        .buffer_unordered(run.turns.begun_at_once())
        .collect()
        .await;
    // One that changes the cluster itself has it for itself: nothing comes after it.
    let mut is_as_before = beside.iter().all(|(_, _, as_before)| *as_before);
    let mut outcomes: Vec<_> = beside
        .into_iter()
        .filter_map(|(index, outcome, _)| Some((index, outcome?)))
        .collect();
    for index in alone {
        if !is_as_before {
            break;
        }
        let (index, outcome, as_before) = one(index).await;
        outcomes.extend(outcome.map(|outcome| (index, outcome)));
        is_as_before = as_before;
    }
    (outcomes, is_as_before)
}

/// Worlds with a cell that is not as intended are tried once more; a cell that answers otherwise
/// there says so.
async fn recheck_worlds(
    run: &RunContext<'_>,
    trials: &[WorldTrial],
    outcomes: &mut [Option<WorldOutcome>],
) {
    let fresh = |index: &usize| !changes_the_cluster(&trials[*index]);
    let doubtful: Vec<usize> = (0..outcomes.len())
        .filter(|index| outcomes[*index].as_ref().is_some_and(is_doubtful))
        .filter(fresh)
        .collect();
    for index in &doubtful {
        let (id, world) = (
            trials[*index].scenario.id.clone(),
            trials[*index].world.clone(),
        );
        run.send_event(EngineEvent::SecondLook { id, world });
    }
    let (tried, _) = try_once(run, trials, &doubtful, true).await;
    for (index, again) in tried {
        if let (Some(WorldOutcome::Tried(first)), WorldOutcome::Tried(again)) =
            (&mut outcomes[index], again)
        {
            compare_outcomes(first, &again);
        }
    }
}

/// Whether a second look would find another cluster than the first did.
fn changes_the_cluster(trial: &WorldTrial) -> bool {
    let WorldTrial { scenario, world } = trial;
    scenario.scenario.changes_cluster(world)
        || ClusterSpec::resolve(scenario, world).is_ok_and(|spec| spec.remembers_requests())
}

fn is_doubtful(outcome: &WorldOutcome) -> bool {
    matches!(outcome, WorldOutcome::Tried(cells) if cells.values().any(|cell| cell.status() != CellStatus::Passed))
}

fn compare_outcomes(
    first: &mut IndexMap<String, OutcomeCell>,
    again: &IndexMap<String, OutcomeCell>,
) {
    for (step, cell) in first {
        let second = again.get(step).map(|cell| &cell.verdict);
        cell.second = second
            .filter(|second| !are_alike(second, &cell.verdict))
            .cloned();
    }
}

/// Whether two looks say the same; why a cell is broken may be told in other words each time.
fn are_alike(one: &Verdict, other: &Verdict) -> bool {
    one == other
        || matches!(
            (one, other),
            (Verdict::Broken { .. }, Verdict::Broken { .. })
        )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Answer, AnswerDetail};

    use super::*;
    use crate::world::testing::parse_scenario;
    use crate::world::testing::script::{ApiServer, Exchange, Reply};
    use crate::{EngineOptions, StopFlag, WorldTurns};

    fn cells(verdicts: &[(&str, Verdict)]) -> IndexMap<String, OutcomeCell> {
        let cell = |verdict: &Verdict| OutcomeCell {
            intended: Answer::Admitted,
            verdict: verdict.clone(),
            second: None,
            detail: AnswerDetail::default(),
            millis: 0.0,
        };
        verdicts
            .iter()
            .map(|(step, verdict)| ((*step).to_owned(), cell(verdict)))
            .collect()
    }

    #[test]
    fn only_what_is_not_as_expected_is_looked_at_again() {
        let admitted = || WorldOutcome::Tried(cells(&[("a", Answer::Admitted.into())]));
        assert!(!is_doubtful(&admitted()));
        let other = WorldOutcome::Tried(cells(&[
            ("a", Answer::Admitted.into()),
            ("b", Answer::Found.into()),
        ]));
        assert!(is_doubtful(&other));
        assert!(is_doubtful(&WorldOutcome::Tried(cells(&[(
            "a",
            Verdict::broken("gone")
        )]))));
        assert!(!is_doubtful(&WorldOutcome::Broken {
            why: "no set-up".into()
        }));
        assert!(!is_doubtful(&WorldOutcome::Skipped {
            why: "no node".into()
        }));
    }

    const TEXT: &str = "scenario: v2
why: a test
worlds: {bare: {}, other: {}}
steps: [{id: one, namespace: NAMESPACE, do: {delete: configmap/a}, expect: admitted}]";

    /// The beginnings and ends of two worlds whose step goes to this namespace.
    async fn order(namespace: &str) -> Vec<&'static str> {
        let exchange = |ask: &str, code| Exchange {
            ask: ask.into(),
            replies: vec![Reply::of_code(code)],
        };
        let (begin, end) = (
            "POST /api/v1/namespaces",
            "DELETE /api/v1/namespaces/$(namespace)",
        );
        let mut exchanges = vec![
            exchange(begin, 201),
            exchange(
                &format!("DELETE /api/v1/namespaces/{namespace}/configmaps/a"),
                200,
            ),
            exchange(end, 200),
            exchange("GET /api/v1/namespaces/$(namespace)", 404),
        ];
        if namespace != "$(namespace)" {
            // What a world has not made is looked at before it is changed.
            let ask = format!("GET /api/v1/namespaces/{namespace}/configmaps/a");
            exchanges.push(exchange(&ask, 404));
        }
        let server = ApiServer::start(exchanges);
        let (server, folder) = (server.await, tempfile::tempdir().unwrap());
        let cluster = server.cluster(folder.path()).await;
        let options = EngineOptions {
            keep: false,
            evidence: None,
            ends_at_failure: true,
            turns: WorldTurns::new(2),
            workshop: Arc::default(),
            stop: StopFlag::default(),
            pauses: None,
        };
        let (events, _told) = tokio::sync::mpsc::unbounded_channel();
        let scenario = Arc::new(parse_scenario(&TEXT.replace("NAMESPACE", namespace), &[]));
        let trial = |world: &str| WorldTrial {
            scenario: Arc::clone(&scenario),
            world: world.into(),
        };
        try_all(
            &RunContext::new(&cluster, &options, events),
            &[trial("bare"), trial("other")],
        )
        .await;
        assert_eq!(server.complaints(), Vec::<String>::new());
        let asked = server.asked();
        asked
            .iter()
            .filter_map(|ask| {
                [(begin, "begin"), (end, "end")]
                    .into_iter()
                    .find(|one| one.0 == ask)
            })
            .map(|one| one.1)
            .collect()
    }

    #[tokio::test]
    async fn a_world_that_others_could_notice_has_the_cluster_to_itself() {
        assert_eq!(order("kube-system").await, ["begin", "end", "begin", "end"]);
        assert_eq!(
            order("$(namespace)").await,
            ["begin", "begin", "end", "end"]
        );
    }

    #[test]
    fn a_second_look_says_where_it_differs() {
        let mut first = cells(&[
            ("same", Answer::Found.into()),
            ("other", Answer::Found.into()),
            ("broken", Verdict::broken("one way")),
            ("lost", Answer::Found.into()),
        ]);
        let again = cells(&[
            ("same", Answer::Found.into()),
            ("other", Answer::Absent.into()),
            ("broken", Verdict::broken("another way")),
        ]);
        compare_outcomes(&mut first, &again);
        let seconds: Vec<Option<Verdict>> = first.into_values().map(|cell| cell.second).collect();
        assert_eq!(seconds, [None, Some(Answer::Absent.into()), None, None]);
    }
}
