//! What agents and their managers want of each other: read out of the arguments of their pods.

use serde_json::Value;

use super::tried::TriedStep;
use crate::{Action, ObservedRecord};

/// Arguments by which an end keeps others out (`probe manager --help`, `probe agent --help`).
const GUARD_FLAGS: [&str; 5] = [
    "--password-file",
    "--agent-authority",
    "--verify-msg-id",
    "--authority",
    "--enrol-ip",
];

/// The program that forges messages of agents.
const FORGER_PROGRAM: &str = "agent-forge";

/// Whether an object runs an agent or a manager that keeps others out.
pub(super) fn is_of_agents(object: &Value) -> bool {
    let runs = |role| program_arguments(object, role);
    let all = runs("agent").into_iter().chain(runs("manager"));
    all.flatten().any(|word| GUARD_FLAGS.contains(&word))
}

/// Whether a step tries to get through to a manager: as an agent, or with forged messages.
pub(super) fn is_agent_try(steps: &[TriedStep<'_>], action: &Action) -> bool {
    match action {
        Action::CheckAgent(_) => true,
        Action::LookFor(ObservedRecord::Output(output)) => steps
            .iter()
            .any(|step| step.step.id == output.of && forged_message(step).is_some()),
        _ => false,
    }
}

/// What kind of message a step forges, such as `replay`.
pub(super) fn forged_message<'a>(step: &TriedStep<'a>) -> Option<&'a str> {
    let Action::Exec { command, .. } = &step.step.action else {
        return None;
    };
    let at = command.iter().position(|word| word == FORGER_PROGRAM)?;
    command.get(at + 1).map(String::as_str)
}

/// The arguments of each container of an object that runs this role of the probe.
pub(super) fn program_arguments<'v>(object: &'v Value, role: &str) -> Vec<Vec<&'v str>> {
    let containers = pod_spec(object)["containers"].as_array();
    let arguments = containers.into_iter().flatten().map(|container| {
        let words = container["args"].as_array().into_iter().flatten();
        words.filter_map(Value::as_str).collect::<Vec<_>>()
    });
    arguments
        .filter(|words| words.first() == Some(&role))
        .collect()
}

/// The spec of a pod, or of those of a workload.
pub(super) fn pod_spec(object: &Value) -> &Value {
    let template = &object["spec"]["template"]["spec"];
    if template.is_null() {
        &object["spec"]
    } else {
        template
    }
}

/// What stands behind a word of arguments.
pub(super) fn argument<'v>(words: &[&'v str], name: &str) -> Option<&'v str> {
    let at = words.iter().position(|word| *word == name)?;
    words.get(at + 1).copied()
}
