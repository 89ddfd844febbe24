//! `--pause-on-failure`: a world that is not as intended waits until Enter is pressed.

use std::io;
use std::sync::Arc;
use std::thread;

use engine::{PausedWorld, WorldPauses};
use native::BoxCache;

use super::display::RunDisplay;
use crate::args::RunArguments;
use crate::fault::CommandFault;
use crate::ui;

/// Whether worlds can wait here, where they are to.
///
/// # Errors
/// Without a terminal, on which a person could press Enter.
pub(super) fn check_terminal(args: &RunArguments) -> Result<(), CommandFault> {
    if !args.pause_on_failure || ui::can_ask() {
        return Ok(());
    }
    Err(
        CommandFault::usage("`--pause-on-failure` needs a terminal: Enter goes on")
            .hint("`--keep` keeps what is not as intended without one"),
    )
}

/// Where worlds are sent that wait. One at a time is shown; a signal ends all of it, as always.
pub(super) fn hold_failures(cache: &BoxCache, display: &Arc<RunDisplay>) -> WorldPauses {
    let (pauses, mut paused) = WorldPauses::channel();
    let (cache, display) = (cache.clone(), Arc::clone(display));
    // It is never joined: a read of standard input cannot be ended.
    thread::spawn(move || {
        while let Some(world) = paused.blocking_recv() {
            display.print_line(&describe_pause(&world, &cache));
            let read = io::stdin().read_line(&mut String::new());
            if !read.is_ok_and(|bytes| bytes > 0) {
                return;
            }
        }
    });
    pauses
}

fn describe_pause(world: &PausedWorld, cache: &BoxCache) -> String {
    let PausedWorld {
        id,
        world,
        namespace,
        cluster,
        ..
    } = world;
    let boxes = native::list_boxes(cache);
    let kubeconfig = boxes
        .iter()
        .find(|one| one.name == *cluster)
        .map(|one| format!("export KUBECONFIG={}; ", one.kubeconfig.display()))
        .unwrap_or_default();
    format!(
        "paused: {id} in {world} is not as intended; look with `{kubeconfig}kubectl -n {namespace} get \
         all`\npress Enter to take it down and go on, Ctrl-C to end the run"
    )
}
