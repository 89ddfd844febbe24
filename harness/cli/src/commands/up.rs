//! `gauntlet up`: a box to work in.

mod services;

use model::ClusterSpec;
use native::{Cache, Progress};

use crate::args::Up;
use crate::commands::run::{setup, start_runtime};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::folders::quoted;
use crate::progress::Board;
use crate::{interrupt, ui};

/// Starts the box, and says how to use it.
pub(crate) fn run(args: &Up) -> Result<Exit, Fault> {
    let cache = Cache::from_env()?;
    let spec = ClusterSpec {
        kubernetes: args.kubernetes.clone(),
        nodes: args.nodes,
        dual_stack: args.dual_stack,
        install: args.install.iter().copied().collect(),
        ..ClusterSpec::default()
    };
    refuse_addons_without_node(&spec)?;
    let mut needed = native::needed(&spec)?;
    let client = native::components::kubernetes_node(&spec.kubernetes)?;
    if !needed
        .iter()
        .any(|component| std::ptr::eq(*component, client))
    {
        needed.push(client);
    }
    interrupt::watch(&cache);
    setup::ready(&cache, &needed, args.setup)?;
    let runtime = start_runtime()?;
    let board = std::sync::Arc::new(Board::new());
    let (shown, name) = (board.clone(), args.name.clone());
    let progress = move |step: Progress| shown.machine(&name, &step);
    let started = runtime.block_on(async {
        let cluster = interrupt::boxes(&cache)
            .start(&args.name, &spec, progress)
            .await?;
        let services = services::lines(&cluster, &cache, &spec.install).await?;
        Ok::<_, Fault>((cluster, services))
    });
    board.clear();
    let (cluster, services) = started?;
    cluster.let_stay()?;
    let Some(running) = native::list(&cache)
        .into_iter()
        .find(|one| one.name == args.name)
    else {
        return Err(Fault::machine(format!("the box `{}` has ended", args.name)));
    };
    ui::say(&format!(
        "`{}` is up: Kubernetes {} at {}",
        args.name, running.kubernetes, running.server
    ));
    ui::say(&format!(
        "  export KUBECONFIG={}",
        quoted(&running.kubeconfig.to_string_lossy())
    ));
    let kubectl = cache.binary(client, "kubectl");
    ui::say(&format!(
        "  {} get pods --all-namespaces",
        quoted(&kubectl.to_string_lossy())
    ));
    services.iter().for_each(|line| ui::say(line));
    ui::say(&format!("  gauntlet down {}", args.name));
    Ok(Exit::Passed)
}

fn refuse_addons_without_node(spec: &ClusterSpec) -> Result<(), Fault> {
    let in_pods = spec
        .install
        .iter()
        .find(|install| install.addon().needs_node);
    match in_pods {
        Some(install) if spec.nodes == 0 => Err(Fault::usage(format!(
            "`{install}` runs in pods, and a box of `--nodes 0` runs none"
        ))
        .hint("leave `--nodes` out")),
        _ => Ok(()),
    }
}
