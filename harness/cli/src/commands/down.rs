//! `gauntlet down`: takes a box down, or all of them.

use native::BoxCache;

use crate::args::DownArguments;
use crate::commands::lint::count_scenarios;
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::ui;

/// Takes down, and says so.
pub(crate) fn run_down(args: &DownArguments) -> Result<ExitReason, CommandFault> {
    let cache = BoxCache::from_env()?;
    if !args.all {
        let name = args.name.find_name();
        native::take_down(&cache, name)?;
        ui::print_result(&format!("`{name}` is down"));
        return Ok(ExitReason::Passed);
    }
    let boxes = native::list_boxes(&cache);
    for one in &boxes {
        native::take_down(&cache, &one.name)?;
        ui::print_result(&format!("`{}` is down", one.name));
    }
    native::sweep_dead(&cache);
    ui::print_note(&format!(
        "{} taken down",
        count_scenarios(boxes.len(), "box").replace("boxs", "boxes")
    ));
    Ok(ExitReason::Passed)
}
