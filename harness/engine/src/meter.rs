//! Counting around a step: what it cost others, which its own reply does not tell.

use futures::future::LocalBoxFuture;

use crate::actions::{Observation, kms_meter, registry_meter};
use crate::world::{LiveWorld, StepRequest};

/// What a meter says of a step: the fact's name, and the count in words.
pub(crate) type MeterCount = (&'static str, String);

/// Something that is counted before and after a step. One is made for each step.
pub(crate) trait StepMeter {
    /// Whether it counts around this step.
    fn counts_step(&self, world: &LiveWorld<'_>, step: &StepRequest<'_>) -> bool;

    /// Notes where the count stands. The step begins after that.
    fn start_count<'a>(&'a mut self, world: &'a LiveWorld<'_>) -> LocalBoxFuture<'a, ()>;

    /// What has come since. The step's time is taken before that.
    fn finish_count<'a>(
        &'a mut self,
        world: &'a LiveWorld<'_>,
        tried: &'a Observation,
    ) -> LocalBoxFuture<'a, Vec<MeterCount>>;
}

/// The meters for a step, in the order in which their counts are recorded.
pub(crate) fn step_meters(
    world: &LiveWorld<'_>,
    step: &StepRequest<'_>,
) -> Vec<Box<dyn StepMeter>> {
    let all: [Box<dyn StepMeter>; 2] = [registry_meter(), kms_meter()];
    all.into_iter()
        .filter(|meter| meter.counts_step(world, step))
        .collect()
}
