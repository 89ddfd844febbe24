//! Groups of worlds, each in a box of its own, several boxes at a time.

use std::sync::Arc;

use engine::WorldTrial;
use tokio::task::JoinSet;

use super::account::RunAccount;
use super::part::{RunPart, TriedOnCluster, into_stopped};
use super::{ClusterRunner, box_prefix};
use crate::box_slots::BoxSlots;
use crate::{ComponentSupply, Error, LiveCluster, RunEvent, WorldGroup};

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
            let (runner, supply) = (self.clone(), supply.clone());
            let (slots, account) = (Arc::clone(&slots), Arc::clone(account));
            tasks.spawn_local(async move {
                runner
                    .run_group(index + 1, group, &supply, &slots, &account)
                    .await
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

    /// Tries worlds in a box of their own; where one leaves it other than it was, those after it
    /// have another box.
    async fn run_group(
        &self,
        index: usize,
        group: WorldGroup,
        supply: &ComponentSupply,
        slots: &BoxSlots,
        account: &RunAccount,
    ) -> RunPart {
        let WorldGroup {
            spec,
            trials,
            needed,
        } = group;
        if let Err(error) = supply.wait_for(&needed).await {
            slots.expect_one_less(trials.len());
            return RunPart::without_cluster(trials, error);
        }
        let mut slot = Some(slots.wait_for(trials.len(), spec.nodes).await);
        let (mut part, mut rest) = (RunPart::default(), trials);
        for turn in 1.. {
            if self.stop.is_raised() {
                part.worlds.extend(rest.into_iter().map(into_stopped));
                break;
            }
            let name = match turn {
                1 => format!("{}{index}", box_prefix()),
                _ => format!("{}{index}-{turn}", box_prefix()),
            };
            let cluster = match self.start_box(&name, &spec).await {
                Ok(cluster) => cluster,
                Err(error) => {
                    part.add(RunPart::without_cluster(rest, error));
                    break;
                }
            };
            let tried = self.try_on(&cluster, rest, account).await;
            part.worlds.extend(tried.worlds);
            part.clusters.push(tried.facts);
            rest = tried.untried;
            if rest.is_empty() || self.stop.is_raised() {
                // The next box starts while this one is taken down.
                drop(slot.take());
            }
            if self.options.keep {
                part.live.push(cluster);
            } else {
                part.errors.extend(cluster.take_down().await.err());
            }
            if rest.is_empty() {
                break;
            }
        }
        part
    }

    pub(super) async fn try_on(
        &self,
        cluster: &LiveCluster,
        trials: Vec<WorldTrial>,
        account: &RunAccount,
    ) -> TriedOnCluster {
        let facts = cluster.describe(trials.len());
        self.observer
            .observe_event(RunEvent::ClusterReady(facts.clone()));
        let all = trials.clone();
        let tried = engine::run_trials(
            cluster,
            trials,
            &self.engine_options(cluster.name()),
            account.receive_events(),
        )
        .await;
        let (mut worlds, mut untried) = (Vec::new(), Vec::new());
        for ((id, world, outcome), trial) in tried.into_iter().zip(all) {
            match outcome {
                Some(outcome) => worlds.push((id, world, outcome)),
                None => untried.push(trial),
            }
        }
        TriedOnCluster {
            worlds,
            untried,
            facts,
        }
    }
}
