//! Figures of the pipeline, on the machine they run on: raw numbers into a CSV file, medians and
//! ratios to the screen.
//!
//! Ratios are between things measured in the same run, in turn; an absolute time says something
//! about one machine on one day.

mod agent;
mod clusters;
mod convergence;
mod network;
mod nodes;
mod objects;
mod requests;
mod rotation;
mod scenario;
mod sealing;
mod start;
mod stats;
mod step;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use model::ClusterSpec;
use runner::{BoxStarter, LiveBoxes, LiveCluster};

/// Measures the box's start, a step against a bare request, or a scenario's steps; counts a
/// scenario's requests.
#[derive(Parser)]
struct BenchArguments {
    /// What to measure.
    #[command(subcommand)]
    figure: Figure,
    /// The folder that gets the raw numbers, one CSV file for each figure.
    #[arg(long, default_value = "target/figures", global = true)]
    out: PathBuf,
}

#[derive(Subcommand)]
enum Figure {
    /// Starts boxes one after the other, each up to its first pod Running.
    Start {
        /// How many.
        #[arg(long, default_value_t = 10)]
        runs: usize,
    },
    /// Starts boxes of one, two and three nodes, and one with IPv6 beside IPv4, in turn, each up to
    /// a pod Running on every node.
    Nodes {
        /// How many of each.
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// Tries a step and sends the same request from a bare client, in turn.
    Step {
        /// How many blocks of fifty of each.
        #[arg(long, default_value_t = 8)]
        blocks: usize,
    },
    /// Writes and reads Secrets under each provider of encryption at rest, in turn, then many of
    /// them.
    Sealing {
        /// How many blocks of fifty writes and fifty reads for each provider.
        #[arg(long, default_value_t = 8)]
        blocks: usize,
        /// How many Secrets are written, rewritten and opened after a restart.
        #[arg(long, default_value_t = 10_000)]
        secrets: usize,
    },
    /// Rotates Secrets that pods have mounted, with the kubelet's own interval.
    Rotation {
        /// How many pods.
        #[arg(long, default_value_t = 24)]
        pods: usize,
    },
    /// Makes NetworkPolicies for many pods, and connects to servers under them.
    Network {
        /// How many pods.
        #[arg(long, default_value_t = 100)]
        pods: usize,
        /// How many blocks of two hundred connections to each server.
        #[arg(long, default_value_t = 40)]
        blocks: usize,
    },
    /// Has an agent make events at ever higher rates, and counts those that arrive.
    Agent {
        /// How often each rate is tried.
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
    /// Changes policies and labels around a pod that connects all the time.
    Convergence {
        /// How often each change is made.
        #[arg(long, default_value_t = 12)]
        rounds: usize,
    },
    /// Tries every world of a scenario again and again on the same clusters.
    Scenario {
        /// The scenario's folder.
        dir: PathBuf,
        /// How often, after one round that does not count.
        #[arg(long, default_value_t = 10)]
        runs: usize,
    },
    /// Counts what each step of a scenario asks of the registry, the log and the authorities behind
    /// it.
    Requests {
        /// The scenario's folder.
        dir: PathBuf,
        /// How often everything is counted; it has to be the same each time.
        #[arg(long, default_value_t = 2)]
        runs: usize,
    },
}

#[expect(clippy::print_stderr, reason = "this is a command")]
fn main() -> ExitCode {
    if let Some(code) = native::hidden_main(std::env::args_os()) {
        return code;
    }
    let outcome =
        network::run_in_pod_network().unwrap_or_else(|| measure_figure(&BenchArguments::parse()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure_figure(arguments: &BenchArguments) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&arguments.out)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let boxes = BoxStarter::new(
        native::BoxCache::from_env()?,
        std::env::current_exe()?,
        LiveBoxes::default(),
    );
    let boxes = Boxes(boxes);
    match &arguments.figure {
        Figure::Start { runs } => {
            runtime.block_on(start::measure_start(&boxes, *runs, &arguments.out))
        }
        Figure::Nodes { runs } => {
            runtime.block_on(nodes::measure_nodes(&boxes, *runs, &arguments.out))
        }
        Figure::Step { blocks } => {
            runtime.block_on(step::measure_step(&boxes, *blocks, &arguments.out))
        }
        Figure::Sealing { blocks, secrets } => runtime.block_on(sealing::measure_sealing(
            &boxes,
            *blocks,
            *secrets,
            &arguments.out,
        )),
        Figure::Rotation { pods } => {
            runtime.block_on(rotation::measure_rotation(&boxes, *pods, &arguments.out))
        }
        Figure::Network { pods, blocks } => runtime.block_on(network::measure_network(
            &boxes,
            *pods,
            *blocks,
            &arguments.out,
        )),
        Figure::Agent { runs } => {
            runtime.block_on(agent::measure_agent(&boxes, *runs, &arguments.out))
        }
        Figure::Convergence { rounds } => runtime.block_on(convergence::measure_convergence(
            &boxes,
            *rounds,
            &arguments.out,
        )),
        Figure::Scenario { dir, runs } => runtime.block_on(scenario::measure_scenarios(
            &boxes,
            &dir.canonicalize()?,
            *runs,
            &arguments.out,
        )),
        Figure::Requests { dir, runs } => runtime.block_on(requests::measure_requests(
            &boxes,
            &dir.canonicalize()?,
            *runs,
            &arguments.out,
        )),
    }
}

/// Where boxes come from.
struct Boxes(BoxStarter);

impl Boxes {
    async fn start_as(
        &self,
        name: &str,
        shape: &ClusterSpec,
    ) -> Result<LiveCluster, runner::Error> {
        self.0.start(name, shape, |_| {}).await
    }

    async fn start(&self, name: &str) -> Result<LiveCluster, runner::Error> {
        self.start_as(name, &ClusterSpec::default()).await
    }
}
