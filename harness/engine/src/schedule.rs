//! The order of trials: isolated ones side by side, then the others one at a time; and a second
//! look. A world that leaves the cluster other than it found it is the last one there.

use futures::StreamExt;
use futures::stream;
use model::{CellStatus, ClusterSpec, Verdict, WorldOutcome};

use crate::run_context::RunContext;
use crate::trial_queue::{FirstLook, QueuedTrial};
use crate::world::{LiveWorld, WorldCase, is_as_expected};
use crate::{EngineEvent, TrialQueue, WorldTrial};

/// A trial that was taken, and its outcome; none where no further trial was to begin.
pub(crate) type TakenTrial = (QueuedTrial, Option<WorldOutcome>);

/// Takes trials for as long as the cluster is good for them, and tries them. Worlds with a cell that
/// is not as intended are tried once more; a cell that answers otherwise there says so. Those for
/// which the cluster is no longer what it was go back into the queue, if another one may follow.
pub(crate) async fn try_all(
    run: &RunContext<'_>,
    queue: &TrialQueue,
    another_may_follow: bool,
) -> Vec<TakenTrial> {
    let (taken, is_as_before) = try_once(run, queue).await;
    if run.options.ends_at_failure {
        return taken;
    }
    let (here, elsewhere) = (TrialQueue::default(), TrialQueue::default());
    let mut done = Vec::new();
    for (queued, outcome) in taken {
        match outcome {
            Some(WorldOutcome::Tried(cells)) if queued.first.is_none() && is_doubtful(&cells) => {
                let is_same = is_as_before && !changes_the_cluster(&queued.trial);
                let place = if is_same { &here } else { &elsewhere };
                let first = Some(cells);
                place.add_queued([QueuedTrial { first, ..queued }]);
            }
            outcome => done.push((queued, outcome)),
        }
    }
    done.extend(try_once(run, &here).await.0);
    let left = [here, elsewhere].into_iter();
    let left = left.flat_map(|queue| queue.take_queued());
    if another_may_follow {
        queue.add_queued(left);
    } else {
        done.extend(left.map(|queued| {
            let first = queued.first.clone().map(WorldOutcome::Tried);
            (queued, first)
        }));
    }
    done
}

/// Takes trials until one leaves the cluster other than it was, and tries them: their outcomes, and
/// whether none did.
async fn try_once(run: &RunContext<'_>, queue: &TrialQueue) -> (Vec<TakenTrial>, bool) {
    let beside: Vec<(TakenTrial, bool)> = stream::iter(queue.take_beside())
        .map(|one| try_one(run, one))
        .buffer_unordered(run.turns.begun_at_once())
        .collect()
        .await;
    // One that changes the cluster itself has it for itself: nothing comes after it.
    let mut is_as_before = beside.iter().all(|(_, as_before)| *as_before);
    let mut taken: Vec<TakenTrial> = beside.into_iter().map(|(taken, _)| taken).collect();
    while is_as_before && let Some(next) = queue.take_alone() {
        let (one, as_before) = try_one(run, next).await;
        taken.push(one);
        is_as_before = as_before;
    }
    (taken, is_as_before)
}

/// Tries one, when it is its turn: what came of it, and whether the cluster is as it was.
async fn try_one(run: &RunContext<'_>, queued: QueuedTrial) -> (TakenTrial, bool) {
    let turn = run.turns.begin_turn().await;
    let again = queued.first.is_some();
    if run.options.stop.is_raised() && !again {
        return ((queued, None), true);
    }
    let (id, world) = (queued.trial.scenario.id.clone(), queued.trial.world.clone());
    if again {
        let (id, world) = (id.clone(), world.clone());
        run.send_event(EngineEvent::SecondLook { id, world });
    }
    let (outcome, is_as_before) = match WorldCase::find_world(&queued.trial.scenario, &world) {
        Ok(case) => LiveWorld::new(run, case, turn, again).try_out().await,
        Err(why) => {
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
    let outcome = match queued.first.clone() {
        Some(first) => WorldOutcome::Tried(compare_looks(first, &outcome)),
        None => outcome,
    };
    ((queued, Some(outcome)), is_as_before)
}

/// Whether a second look on the same cluster would find another one than the first did.
fn changes_the_cluster(trial: &WorldTrial) -> bool {
    let WorldTrial { scenario, world } = trial;
    scenario.scenario.changes_cluster(world)
        || ClusterSpec::resolve(scenario, world).is_ok_and(|spec| spec.remembers_requests())
}

fn is_doubtful(cells: &FirstLook) -> bool {
    let mut cells = cells.values();
    cells.any(|cell| cell.status() != CellStatus::Passed)
}

/// The first look, each cell with what the second one showed otherwise.
fn compare_looks(mut first: FirstLook, again: &WorldOutcome) -> FirstLook {
    let WorldOutcome::Tried(again) = again else {
        return first;
    };
    for (step, cell) in &mut first {
        let second = again.get(step).map(|cell| &cell.verdict);
        cell.second = second
            .filter(|second| !are_alike(second, &cell.verdict))
            .cloned();
    }
    first
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

    use model::{Answer, AnswerDetail, OutcomeCell};

    use super::*;
    use crate::world::testing::parse_scenario;
    use crate::world::testing::script::{ApiServer, Exchange, Reply};
    use crate::{EngineOptions, StopFlag, WorldTurns};

    fn cells(verdicts: &[(&str, Verdict)]) -> FirstLook {
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
        let admitted = ("a", Answer::Admitted.into());
        assert!(!is_doubtful(&cells(std::slice::from_ref(&admitted))));
        let other = ("b", Answer::Found.into());
        assert!(is_doubtful(&cells(&[admitted, other])));
        assert!(is_doubtful(&cells(&[("a", Verdict::broken("gone"))])));
    }

    const TEXT: &str = "scenario: v2
why: a test
worlds: {bare: {}, other: {}}
steps: [{id: one, namespace: NAMESPACE, do: {delete: configmap/a}, expect: admitted}]";

    fn engine_options(ends_at_failure: bool) -> EngineOptions {
        EngineOptions {
            keep: false,
            evidence: None,
            ends_at_failure,
            turns: WorldTurns::new(2),
            workshop: Arc::default(),
            stop: StopFlag::default(),
            pauses: None,
        }
    }

    fn exchange(ask: &str, codes: &[u16]) -> Exchange {
        Exchange {
            ask: ask.into(),
            replies: codes.iter().map(|code| Reply::of_code(*code)).collect(),
        }
    }

    /// The beginnings and ends of two worlds whose step goes to this namespace.
    async fn order(namespace: &str) -> Vec<&'static str> {
        let (begin, end) = (
            "POST /api/v1/namespaces",
            "DELETE /api/v1/namespaces/$(namespace)",
        );
        let mut exchanges = vec![
            exchange(begin, &[201]),
            exchange(
                &format!("DELETE /api/v1/namespaces/{namespace}/configmaps/a"),
                &[200],
            ),
            exchange(end, &[200]),
            exchange("GET /api/v1/namespaces/$(namespace)", &[404]),
        ];
        if namespace != "$(namespace)" {
            // What a world has not made is looked at before it is changed.
            let ask = format!("GET /api/v1/namespaces/{namespace}/configmaps/a");
            exchanges.push(exchange(&ask, &[404]));
        }
        let server = ApiServer::start(exchanges);
        let (server, folder) = (server.await, tempfile::tempdir().unwrap());
        let cluster = server.cluster(folder.path()).await;
        let options = engine_options(true);
        let (events, _told) = tokio::sync::mpsc::unbounded_channel();
        let scenario = Arc::new(parse_scenario(&TEXT.replace("NAMESPACE", namespace), &[]));
        let trial = |world: &str| WorldTrial {
            scenario: Arc::clone(&scenario),
            world: world.into(),
        };
        try_all(
            &RunContext::new(&cluster, &options, events),
            &TrialQueue::new(vec![trial("bare"), trial("other")]),
            false,
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

    /// An eviction in another namespace leaves a mark: nothing is looked at again on this cluster.
    #[tokio::test]
    async fn where_the_cluster_changed_the_second_look_is_taken_on_the_next_one() {
        let server = ApiServer::start(vec![
            exchange("POST /api/v1/namespaces", &[201]),
            exchange(
                "POST /api/v1/namespaces/kube-system/pods/a/eviction",
                &[404, 201],
            ),
            exchange("DELETE /api/v1/namespaces/$(namespace)/pods", &[200]),
            exchange("DELETE /api/v1/namespaces/$(namespace)", &[200]),
            exchange("GET /api/v1/namespaces/$(namespace)", &[404]),
        ]);
        let (server, folder) = (server.await, tempfile::tempdir().unwrap());
        let cluster = server.cluster(folder.path()).await;
        let options = engine_options(false);
        let (events, _told) = tokio::sync::mpsc::unbounded_channel();
        let text = TEXT.replace("{delete: configmap/a}", "{evict: a}");
        let scenario = Arc::new(parse_scenario(
            &text.replace("NAMESPACE", "kube-system"),
            &[],
        ));
        let world = "bare".to_owned();
        let queue = TrialQueue::new(vec![WorldTrial { scenario, world }]);
        let run = || RunContext::new(&cluster, &options, events.clone());
        assert_eq!(try_all(&run(), &queue, true).await.len(), 0);
        assert_eq!(queue.count_left(), 1);
        let looked = try_all(&run(), &queue, true).await;
        assert_eq!(queue.count_left(), 0);
        let [(_, Some(WorldOutcome::Tried(cells)))] = looked.as_slice() else {
            panic!("{looked:?}");
        };
        assert!(matches!(cells["one"].verdict, Verdict::Broken { .. }));
        assert_eq!(cells["one"].second, Some(Answer::Admitted.into()));
        assert_eq!(server.complaints(), Vec::<String>::new());
    }

    #[test]
    fn a_second_look_says_where_it_differs() {
        let first = cells(&[
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
        let first = compare_looks(first, &WorldOutcome::Tried(again));
        let seconds: Vec<Option<Verdict>> = first.into_values().map(|cell| cell.second).collect();
        assert_eq!(seconds, [None, Some(Answer::Absent.into()), None, None]);
    }
}
