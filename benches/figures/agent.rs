//! How many events a second an agent gets to its manager with none lost: made at a fixed rate,
//! whatever becomes of them, at ever higher ones, with a buffer for a second's worth at the most.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use model::{ClusterSpec, FigureName, LoadedScenario};
use serde_json::{Value, json};

use crate::Boxes;
use crate::clusters::{cells_of, make_scenario};

/// Events a second.
const EVENT_RATES: [usize; 8] = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000];

/// For this many seconds.
const LASTING_SECONDS: usize = 5;

/// How many events wait; the shipped buffer holds 5,000.
const BUFFER_SIZE: usize = 1000;

#[expect(clippy::print_stdout, reason = "this is a command")]
pub(crate) async fn measure_agent(
    boxes: &Boxes,
    runs: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let scenario = Arc::new(agent_scenario()?);
    let cluster = boxes
        .start_as(
            "figures-agent",
            &ClusterSpec::resolve(&scenario, &agent_world(EVENT_RATES[0]))?,
        )
        .await?;
    let mut csv = String::from("run,events_per_second,made,received\n");
    for run in 1..=runs {
        for rate in EVENT_RATES {
            let cells = cells_of(&cluster, &scenario, &agent_world(rate), None).await?;
            let received = cells
                .get(&events(rate))
                .and_then(|cell| cell.detail.figures.get(&FigureName::Received)?.count());
            let received = received.ok_or_else(|| format!("{rate} a second: {cells:?}"))?;
            writeln!(csv, "{run},{rate},{},{received}", rate * LASTING_SECONDS)?;
            println!(
                "{rate:6} a second  {received:7} of {:7}",
                rate * LASTING_SECONDS
            );
        }
    }
    cluster.take_down().await?;
    Ok(std::fs::write(out.join("agent.csv"), csv)?)
}

/// One world for each rate.
fn agent_scenario() -> Result<LoadedScenario, Box<dyn Error>> {
    let others = |rate: usize| {
        EVENT_RATES
            .into_iter()
            .filter(move |other| *other != rate)
            .map(events)
            .collect::<Vec<_>>()
    };
    let apply = |rate: usize| {
        json!([
            "service.yaml",
            "manager.yaml",
            format!("{}.yaml", agent_world(rate))
        ])
    };
    let of_rate = |rate: usize| {
        (
            agent_world(rate),
            json!({"apply": apply(rate), "skip-steps": others(rate)}),
        )
    };
    let worlds: serde_json::Map<String, Value> = EVENT_RATES.into_iter().map(of_rate).collect();
    let counted = |rate: usize| {
        let delivered =
            json!({"source": "live", "of": rate * LASTING_SECONDS, "managers": ["manager"]});
        json!({"id": events(rate), "do": {"check-delivery": delivered}, "expect": "delivered"})
    };
    let mut steps = vec![
        json!({"id": "manager-runs", "do": {"wait-running": "pod/manager"}, "expect": "running"}),
    ];
    steps.push(
        json!({"id": "agent-runs", "do": {"wait-running": "pod/agent"}, "expect": "running"}),
    );
    steps.extend(EVENT_RATES.into_iter().map(counted));
    let file = json!({"scenario": "v2", "why": "A figure.", "install": ["dns"], "worlds": worlds, "steps": steps});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "wazuh"}, "spec": {
        "selector": {"app": "manager"},
        "ports": [{"name": "enrolment", "port": 1515}, {"name": "events", "port": 1514}]}});
    let mut manifests = vec![
        ("service.yaml".to_owned(), service),
        (
            "manager.yaml".to_owned(),
            agent_pod("manager", &["manager", "--times", "0.05"]),
        ),
    ];
    for rate in EVENT_RATES {
        let (made, rate_, buffer) = (
            (rate * LASTING_SECONDS).to_string(),
            rate.to_string(),
            BUFFER_SIZE.to_string(),
        );
        let args = [
            "agent",
            "--manager",
            "wazuh",
            "--times",
            "0.05",
            "--begin",
            "connected",
            "--source",
            "live",
            "--events",
            &made,
            "--rate",
            &rate_,
            "--queue-size",
            &buffer,
            "--events-per-second",
            "1000000",
        ];
        manifests.push((
            format!("{}.yaml", agent_world(rate)),
            agent_pod("agent", &args),
        ));
    }
    make_scenario(
        "figures/agent",
        file,
        manifests
            .into_iter()
            .map(|(name, object)| (name, vec![object])),
    )
}

fn agent_world(rate: usize) -> String {
    format!("rate-{rate}")
}

fn events(rate: usize) -> String {
    format!("events-{rate}")
}

fn agent_pod(name: &str, args: &[&str]) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "main", "image": "$(image:probe)", "imagePullPolicy": "Never", "args": args}]}})
}
