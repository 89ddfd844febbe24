//! Groups of worlds, in boxes of their own, several boxes at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::TrialQueue;
use model::ClusterSpec;
use tokio::task::JoinSet;

use super::account::RunAccount;
use super::part::{RunPart, TriedOnCluster, into_clusterless, into_stopped};
use super::{ClusterRunner, box_prefix};
use crate::box_slots::{BoxSlot, BoxSlots};
use crate::{ComponentSupply, Error, LiveCluster, RunEvent, WorldGroup};

/// Worlds that have a cluster to themselves are tried one after the other. When this many are still
/// to come they are worth one more box, where there is room for one: its start takes as long as two or
/// three of them.
const WORTH_ANOTHER_BOX: usize = 6;

/// Boxes of one group beside its first.
const MOST_SPARE_BOXES: usize = 3;

/// What is still to be tried in boxes of one shape.
struct OpenGroup {
    index: usize,
    spec: ClusterSpec,
    queue: TrialQueue,
    /// Boxes so far.
    boxes: AtomicUsize,
    /// Those that are up, or start.
    at_work: AtomicUsize,
}

impl OpenGroup {
    fn name_box(&self) -> String {
        match self.boxes.fetch_add(1, Ordering::Relaxed) {
            0 => format!("{}{}", box_prefix(), self.index),
            before => format!("{}{}-{}", box_prefix(), self.index, before + 1),
        }
    }
}

impl ClusterRunner {
    pub(super) async fn run_groups(
        &self,
        groups: Vec<WorldGroup>,
        supply: &ComponentSupply,
        account: &Arc<RunAccount>,
    ) -> RunPart {
        let slots = Arc::new(BoxSlots::new(groups.iter().map(|group| group.trials.len())));
        let mut tasks = JoinSet::new();
        for (index, group) in groups.into_iter().enumerate() {
            let WorldGroup {
                spec,
                trials,
                needed,
            } = group;
            let group = Arc::new(OpenGroup {
                index: index + 1,
                spec,
                queue: TrialQueue::new(trials),
                boxes: AtomicUsize::new(0),
                at_work: AtomicUsize::new(0),
            });
            for _ in 0..self.count_spare_boxes(&group) {
                let (runner, group) = (self.clone(), Arc::clone(&group));
                let (slots, account) = (Arc::clone(&slots), Arc::clone(account));
                tasks.spawn_local(async move {
                    let slot = slots.wait_for_spare(group.spec.nodes).await;
                    if group.queue.count_alone() < WORTH_ANOTHER_BOX {
                        return RunPart::default();
                    }
                    runner.run_group(&group, &slots, slot, &account).await
                });
            }
            let (runner, supply) = (self.clone(), supply.clone());
            let (slots, account) = (Arc::clone(&slots), Arc::clone(account));
            tasks.spawn_local(async move {
                let worlds = group.queue.count_left();
                if let Err(error) = supply.wait_for(&needed).await {
                    slots.expect_one_less(worlds);
                    return RunPart::without_cluster(group.queue.take_rest(), error);
                }
                let slot = slots.wait_for(worlds, group.spec.nodes).await;
                runner.run_group(&group, &slots, slot, &account).await
            });
        }
        let mut all = RunPart::default();
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(part) => all.add(part),
                Err(source) => all.errors.push(Error::TaskEnded { source }),
            }
        }
        all
    }

    /// How many more boxes may help with this group, once every group has its first. Boxes that are
    /// kept are looked at by people: then one has everything.
    fn count_spare_boxes(&self, group: &OpenGroup) -> usize {
        if self.options.keep {
            return 0;
        }
        let worlds_beside_one = self.options.worlds_at_once.saturating_sub(1);
        (group.queue.count_alone() / WORTH_ANOTHER_BOX)
            .min(MOST_SPARE_BOXES)
            .min(worlds_beside_one)
    }

    async fn run_group(
        &self,
        group: &OpenGroup,
        slots: &BoxSlots,
        slot: BoxSlot,
        account: &RunAccount,
    ) -> RunPart {
        group.at_work.fetch_add(1, Ordering::Relaxed);
        let mut part = self.take_worlds(group, slots, slot, account).await;
        let is_last = group.at_work.fetch_sub(1, Ordering::Relaxed) == 1;
        // Worlds are left where a box did not start, this one or one that put second looks back. While
        // another one is at work, they are its.
        if is_last {
            let rest = group.queue.take_rest();
            part.worlds.extend(rest.into_iter().map(into_clusterless));
        }
        part
    }

    /// Tries worlds of a group in a box; where one leaves it other than it was, those after it have
    /// another box. Ends with an error where that does not start.
    async fn take_worlds(
        &self,
        group: &OpenGroup,
        slots: &BoxSlots,
        slot: BoxSlot,
        account: &RunAccount,
    ) -> RunPart {
        let (mut part, mut slot) = (RunPart::default(), Some(slot));
        while group.queue.count_left() > 0 {
            if slot.is_none() {
                // Another box put second looks back when it looked as if nothing was left.
                slot = Some(slots.wait_for_spare(group.spec.nodes).await);
            }
            if self.stop.is_raised() {
                let rest = group.queue.take_rest();
                part.worlds.extend(rest.into_iter().map(into_stopped));
                break;
            }
            let cluster = match self.start_box(&group.name_box(), &group.spec).await {
                Ok(cluster) => cluster,
                Err(error) => {
                    part.errors.push(error);
                    break;
                }
            };
            if group.queue.count_left() == 0 {
                // Others were faster.
                drop(slot.take());
                part.errors.extend(cluster.take_down().await.err());
                continue;
            }
            let tried = self.try_on(&cluster, &group.queue, account).await;
            part.worlds.extend(tried.worlds);
            part.clusters.push(tried.facts);
            if group.queue.count_left() == 0 || self.stop.is_raised() {
                // The next box starts while this one is taken down.
                drop(slot.take());
            }
            if self.options.keep {
                part.live.push(cluster);
            } else {
                part.errors.extend(cluster.take_down().await.err());
            }
        }
        part
    }

    pub(super) async fn try_on(
        &self,
        cluster: &LiveCluster,
        queue: &TrialQueue,
        account: &RunAccount,
    ) -> TriedOnCluster {
        let mut facts = cluster.describe(queue.count_left());
        self.observer
            .observe_event(RunEvent::ClusterReady(facts.clone()));
        let tried = engine::run_trials(
            cluster,
            queue,
            &self.engine_options(cluster.name()),
            account.receive_events(),
        )
        .await;
        facts.worlds = tried.len();
        let worlds = tried.into_iter().map(|(trial, outcome)| match outcome {
            Some(outcome) => (trial.scenario.id.clone(), trial.world, outcome),
            None => into_stopped((trial, None)),
        });
        TriedOnCluster {
            worlds: worlds.collect(),
            facts,
        }
    }
}
