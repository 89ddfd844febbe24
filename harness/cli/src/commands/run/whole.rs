//! One run in boxes for a command that looks at its outcome itself.

use std::sync::Arc;

use cluster::ClusterProvider;
use model::LoadedScenario;
use native::BoxCache;
use runner::{ClusterRunner, ComponentSupply, RunObserver, RunOptions, RunOutcome, RunPlan};

use super::display::RunDisplay;
use super::{setup, start_runtime};
use crate::fault::CommandFault;
use crate::interrupt;

/// Tries all of it in boxes once their components are built, which `setup` does where they are
/// missing. Boxes that are left over are among the leaks.
pub(crate) fn try_in_built_boxes(
    scenarios: &[Arc<LoadedScenario>],
    setup: bool,
    options: RunOptions,
) -> Result<RunOutcome, CommandFault> {
    let cache = BoxCache::from_env()?;
    interrupt::watch_signals(&cache);
    let plan = RunPlan::new(scenarios, ClusterProvider::Box, 1)?;
    setup::ensure_ready(&cache, &plan.components(), setup)?;
    let display = Arc::new(RunDisplay::new(scenarios, 1));
    let observer: Arc<dyn RunObserver> = Arc::<RunDisplay>::clone(&display);
    let boxes = interrupt::boxes_of_cache(&cache);
    let runner = ClusterRunner::new(boxes, options, observer);
    let supply = ComponentSupply::all_built();
    let mut ran = start_runtime()?.block_on(runner.run_in_boxes(plan, &supply));
    display.clear();
    ran.leaks.extend(runner.find_stray_boxes());
    Ok(ran)
}
