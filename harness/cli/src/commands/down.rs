//! `gauntlet down`: takes a box down, or all of them.

use native::Cache;

use crate::args::Down;
use crate::commands::lint::count;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::ui;

/// Takes down, and says so.
pub(crate) fn run(args: &Down) -> Result<Exit, Fault> {
    let cache = Cache::from_env()?;
    if !args.all {
        native::down(&cache, &args.name)?;
        ui::say(&format!("`{}` is down", args.name));
        return Ok(Exit::Passed);
    }
    let boxes = native::list(&cache);
    for one in &boxes {
        native::down(&cache, &one.name)?;
        ui::say(&format!("`{}` is down", one.name));
    }
    native::sweep(&cache);
    ui::note(&format!(
        "{} taken down",
        count(boxes.len(), "box").replace("boxs", "boxes")
    ));
    Ok(Exit::Passed)
}
