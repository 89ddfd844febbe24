//! `gauntlet up`: a box to work in.

mod asked;
mod services;

use cluster::{Cluster, ClusterProgress};
use model::ClusterSpec;
use native::BoxCache;

use crate::args::UpArguments;
use crate::commands::run::{setup, start_runtime};
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::folders::shell_quoted;
use crate::progress::ProgressBoard;
use crate::{interrupt, ui};

/// Starts the box, and says how to use it.
pub(crate) fn run_up(args: &UpArguments) -> Result<ExitReason, CommandFault> {
    let cache = BoxCache::from_env()?;
    let spec = asked::asked_cluster(args)?;
    refuse_addons_without_node(&spec)?;
    refuse_unusable_images(args, &spec)?;
    let box_name = args.name.find_name();
    let mut needed = native::needed_components(&spec)?;
    let client = components::kubernetes_node(&spec.kubernetes)?;
    if !needed
        .iter()
        .any(|component| std::ptr::eq(*component, client))
    {
        needed.push(client);
    }
    interrupt::watch_signals(&cache);
    setup::ensure_ready(&cache, &needed, args.setup)?;
    let runtime = start_runtime()?;
    let board = std::sync::Arc::new(ProgressBoard::new());
    let (shown, name) = (board.clone(), box_name.to_owned());
    let progress = move |step: ClusterProgress| shown.show_machine(&name, &step);
    let started = runtime.block_on(async {
        let cluster = interrupt::boxes_of_cache(&cache)
            .start(box_name, &spec, progress)
            .await?;
        let services = services::service_lines(&cluster, &cache, &spec.install).await?;
        Ok::<_, CommandFault>((cluster, services))
    });
    board.clear();
    let (cluster, services) = started?;
    give_images(&cluster, args)?;
    cluster.let_stay()?;
    let Some(running) = native::list_boxes(&cache)
        .into_iter()
        .find(|one| one.name == box_name)
    else {
        return Err(CommandFault::machine(format!(
            "the box `{box_name}` has ended"
        )));
    };
    ui::print_result(&format!(
        "`{box_name}` is up: Kubernetes {} at {}",
        running.kubernetes, running.server
    ));
    ui::print_result(&format!(
        "  export KUBECONFIG={}",
        shell_quoted(&running.kubeconfig.to_string_lossy())
    ));
    let kubectl = cache.binary_path(client, "kubectl");
    ui::print_result(&format!(
        "  {} get pods --all-namespaces",
        shell_quoted(&kubectl.to_string_lossy())
    ));
    services.iter().for_each(|line| ui::print_result(line));
    ui::print_result(&format!("  gauntlet enter {box_name} -- COMMAND"));
    ui::print_result(&format!("  gauntlet down {box_name}"));
    Ok(ExitReason::Passed)
}

/// What can be known of the images before a box is started for them.
fn refuse_unusable_images(args: &UpArguments, spec: &ClusterSpec) -> Result<(), CommandFault> {
    if spec.nodes == 0 && !args.images.is_empty() {
        return Err(CommandFault::usage(
            "`--image` is for nodes, and this box has none".to_owned(),
        )
        .hint("give it one: `--nodes 1`"));
    }
    match args.images.iter().find(|image| !image.is_file()) {
        Some(missing) => Err(CommandFault::usage(format!(
            "`{}` is not a file",
            missing.display()
        ))),
        None => Ok(()),
    }
}

fn give_images(cluster: &Cluster, args: &UpArguments) -> Result<(), CommandFault> {
    let Some(host) = cluster.host_access() else {
        return Ok(());
    };
    args.images
        .iter()
        .try_for_each(|image| Ok(host.import_images(image)?))
}

fn refuse_addons_without_node(spec: &ClusterSpec) -> Result<(), CommandFault> {
    let in_pods = spec
        .install
        .iter()
        .find(|install| install.addon().needs_node);
    match in_pods {
        Some(install) if spec.nodes == 0 => Err(CommandFault::usage(format!(
            "`{install}` runs in pods, and this box has no node to run any"
        ))
        .hint("give it one: `--nodes 1`")),
        _ => Ok(()),
    }
}
