//! `gauntlet up`: a box to work in.

use native::{BoxShape, Cache, Spec};

use crate::args::Up;
use crate::commands::run::setup;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::folders::quoted;
use crate::progress::Board;
use crate::{interrupt, ui};

/// Starts the box, and says how to use it.
pub(crate) fn run(args: &Up) -> Result<Exit, Fault> {
    let cache = Cache::from_env()?;
    let shape = BoxShape { kubernetes: args.kubernetes.clone(), ..BoxShape::default() };
    let needed = native::components::needed(&shape)?;
    setup::ready(&cache, &needed, args.setup)?;
    interrupt::watch(&cache);
    interrupt::remember(&args.name);
    let spec = Spec { name: args.name.clone(), shape, launcher: interrupt::LAUNCHER.into() };
    let board = Board::new();
    let running = native::start(&cache, &spec, false, &mut |step| board.machine(&args.name, &step));
    board.clear();
    let running = running?;
    interrupt::forget(&args.name);
    ui::say(&format!("`{}` is up: Kubernetes {} at {}", args.name, running.kubernetes, running.server));
    ui::say(&format!("  export KUBECONFIG={}", quoted(&running.kubeconfig.to_string_lossy())));
    let kubectl = cache.binary(needed[0], "kubectl");
    ui::say(&format!("  {} get pods --all-namespaces", quoted(&kubectl.to_string_lossy())));
    ui::say(&format!("  gauntlet down {}", args.name));
    Ok(Exit::Passed)
}
