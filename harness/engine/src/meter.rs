//! Counting around a step: what it cost others, which its own reply does not tell.

use futures::future::LocalBoxFuture;

use crate::actions::{Observation, kms_meter, registry_meter};
use crate::world::{StepRequest, World};

/// What a meter says of a step: the fact's name, and the count in words.
pub(crate) type Count = (&'static str, String);

/// Something that is counted before and after a step. One is made for each step.
pub(crate) trait Meter {
    /// Whether it counts around this step.
    fn wants(&self, world: &World<'_>, step: &StepRequest<'_>) -> bool;

    /// Notes where the count stands. The step begins after that.
    fn before<'a>(&'a mut self, world: &'a World<'_>) -> LocalBoxFuture<'a, ()>;

    /// What has come since. The step's time is taken before that.
    fn after<'a>(
        &'a mut self,
        world: &'a World<'_>,
        tried: &'a Observation,
    ) -> LocalBoxFuture<'a, Vec<Count>>;
}

/// The meters for a step, in the order in which their counts are recorded.
pub(crate) fn meters(world: &World<'_>, step: &StepRequest<'_>) -> Vec<Box<dyn Meter>> {
    let all: [Box<dyn Meter>; 2] = [registry_meter(), kms_meter()];
    all.into_iter()
        .filter(|meter| meter.wants(world, step))
        .collect()
}
