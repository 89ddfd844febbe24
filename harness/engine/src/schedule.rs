//! The order of trials: isolated ones side by side, then the others one at a time; and a second
//! look. A world that leaves the cluster other than it found it is the last one there.

use futures::StreamExt;
use futures::stream;
use indexmap::IndexMap;
use model::{CellStatus, ClusterSpec, OutcomeCell, Verdict, WorldOutcome};

use crate::run_context::RunContext;
use crate::trial_queue::QueuedTrial;
use crate::world::{LiveWorld, WorldCase, is_as_expected};
use crate::{EngineEvent, TrialQueue, WorldTrial};

/// A trial that was taken, and its outcome; none where no further trial was to begin.
pub(crate) type TakenTrial = (QueuedTrial, Option<WorldOutcome>);

/// Takes trials for as long as the cluster is good for them, and tries them.
pub(crate) async fn try_all(run: &RunContext<'_>, queue: &TrialQueue) -> Vec<TakenTrial> {
    let (mut taken, is_as_before) = try_once(run, queue, false).await;
    if !run.options.ends_at_failure && is_as_before {
        recheck_worlds(run, &mut taken).await;
    }
    taken
}

/// Takes trials until one leaves the cluster other than it was, and tries them: their outcomes, and
/// whether none did.
async fn try_once(
    run: &RunContext<'_>,
    queue: &TrialQueue,
    again: bool,
) -> (Vec<TakenTrial>, bool) {
    let beside: Vec<(TakenTrial, bool)> = stream::iter(queue.take_beside())
        .map(|one| try_one(run, one, again))
        .buffer_unordered(run.turns.begun_at_once())
        .collect()
        .await;
    // One that changes the cluster itself has it for itself: nothing comes after it.
    let mut is_as_before = beside.iter().all(|(_, as_before)| *as_before);
    let mut taken: Vec<TakenTrial> = beside.into_iter().map(|(taken, _)| taken).collect();
    while is_as_before && let Some(next) = queue.take_alone() {
        let (one, as_before) = try_one(run, next, again).await;
        taken.push(one);
        is_as_before = as_before;
    }
    (taken, is_as_before)
}

/// Tries one, when it is its turn: what came of it, and whether the cluster is as it was.
async fn try_one(run: &RunContext<'_>, queued: QueuedTrial, again: bool) -> (TakenTrial, bool) {
    let trial = &queued.trial;
    let turn = run.turns.begin_turn().await;
    if run.options.stop.is_raised() && !again {
        return ((queued, None), true);
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
    ((queued, Some(outcome)), is_as_before)
}

/// Worlds with a cell that is not as intended are tried once more; a cell that answers otherwise
/// there says so.
async fn recheck_worlds(run: &RunContext<'_>, taken: &mut [TakenTrial]) {
    let doubtful: Vec<QueuedTrial> = taken
        .iter()
        .filter(|(_, outcome)| outcome.as_ref().is_some_and(is_doubtful))
        .filter(|(one, _)| !changes_the_cluster(&one.trial))
        .map(|(one, _)| one.clone())
        .collect();
    for QueuedTrial { trial, .. } in &doubtful {
        let (id, world) = (trial.scenario.id.clone(), trial.world.clone());
        run.send_event(EngineEvent::SecondLook { id, world });
    }
    let queue = TrialQueue::from_queued(doubtful.into_iter());
    let (tried, _) = try_once(run, &queue, true).await;
    for (again, outcome) in tried {
        let first = taken.iter_mut().find(|(one, _)| one.place == again.place);
        if let (Some((_, Some(WorldOutcome::Tried(first)))), Some(WorldOutcome::Tried(again))) =
            (first, outcome)
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
            &TrialQueue::new(vec![trial("bare"), trial("other")]),
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
