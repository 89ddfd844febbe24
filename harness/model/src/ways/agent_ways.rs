//! Ways round what an agent's manager wants, or an agent of it: keys and passwords that others have,
//! messages that were sent before, a manager that is none.

use serde_json::Value;

use super::agent_rules::{argument, forged_message, pod_spec, program_arguments};
use super::{ControlKind, HeldControl, WayRound};

use ControlKind::AgentManager;

pub(super) static WAYS: &[WayRound] = &[
    // documentation.wazuh.com, "Wazuh agent enrollment": both are asked for on the enrolment port.
    WayRound {
        name: "key-without-enrolment",
        kinds: &[AgentManager],
        about: "an agent that already has a key needs neither the password nor a certificate",
        is_open: |control| {
            has_argument(control, "manager", "--password-file")
                || has_argument(control, "manager", "--agent-authority")
        },
        is_tried: |control, _| {
            let agents = arguments(control, "agent");
            agents
                .iter()
                .any(|words| argument(words, "--enrol") == Some("no"))
        },
    },
    // The same, "Using password authentication": one password for every agent.
    WayRound {
        name: "shared-password",
        kinds: &[AgentManager],
        about: "a user who may read the Secret with the password enrols an agent of any name",
        is_open: |control| has_argument(control, "manager", "--password-file"),
        is_tried: |control, _| {
            let agents = arguments(control, "agent");
            let enrolled: Vec<_> = agents
                .iter()
                .filter(|words| words.contains(&"--password-file"))
                .map(|words| argument(words, "--name"))
                .collect();
            enrolled.iter().any(|name| enrolled.first() != Some(name))
        },
    },
    // The same, "Manager verification": without an authority no certificate is looked at.
    WayRound {
        name: "password-for-an-impostor",
        kinds: &[AgentManager],
        about: "an agent that checks no certificate sends its password to any server that answers",
        is_open: |control| {
            arguments(control, "agent")
                .iter()
                .any(|words| words.contains(&"--password-file") && !words.contains(&"--authority"))
        },
        is_tried: |control, _| {
            arguments(control, "manager")
                .iter()
                .any(|words| argument(words, "--authority") == Some("impostor"))
        },
    },
    // As wazuh-remoted 4.14.7 was seen to do it: the key is what says who sends.
    WayRound {
        name: "stolen-key",
        kinds: &[AgentManager],
        about: "another pod that has the key sends as the agent",
        is_open: |control| is_guarded(control) && !has_argument(control, "agent", "--enrol-ip"),
        is_tried: |control, steps| {
            let forges = steps.iter().any(|step| forged_message(step).is_some());
            forges && files(control).any(|object| mounts_key(object) && !is_end(object))
        },
    },
    // documentation.wazuh.com, "Internal configuration": `remoted.verify_msg_id`, `remoted.worker_pool`.
    WayRound {
        name: "message-sent-again",
        kinds: &[AgentManager],
        about: "what was recorded on the wire is sent again, and counts again",
        is_open: |control| {
            let takes_again = |words: &Vec<&str>| {
                argument(words, "--verify-msg-id") != Some("yes")
                    || argument(words, "--worker-pool") != Some("1")
            };
            is_guarded(control) && arguments(control, "manager").iter().any(takes_again)
        },
        is_tried: |_, steps| {
            steps
                .iter()
                .any(|step| forged_message(step) == Some("replay"))
        },
    },
    // kubernetes.io, "Volumes", "hostPath": every pod that may mount the folder reads it.
    WayRound {
        name: "key-on-the-node",
        kinds: &[AgentManager],
        about: "the key lies in a folder of the node, which another pod mounts",
        is_open: |control| files(control).any(|object| is_end(object) && has_host_folder(object)),
        is_tried: |control, _| {
            files(control).any(|object| !is_end(object) && has_host_folder(object))
        },
    },
];

/// What the world applies and its steps send.
fn files<'c>(control: &'c HeldControl<'_>) -> impl Iterator<Item = &'c Value> {
    let sent = control.steps.iter().flat_map(|step| &step.sent);
    control.applied.iter().chain(sent).copied()
}

fn arguments<'c>(control: &'c HeldControl<'_>, role: &str) -> Vec<Vec<&'c str>> {
    files(control)
        .flat_map(|object| program_arguments(object, role))
        .collect()
}

fn has_argument(control: &HeldControl<'_>, role: &str, name: &str) -> bool {
    let all = arguments(control, role);
    all.iter().any(|words| words.contains(&name))
}

/// Whether the manager keeps anybody out.
fn is_guarded(control: &HeldControl<'_>) -> bool {
    ["--password-file", "--agent-authority", "--verify-msg-id"]
        .iter()
        .any(|name| has_argument(control, "manager", name))
}

/// Whether an object runs an agent or a manager.
fn is_end(object: &Value) -> bool {
    ["agent", "manager"]
        .iter()
        .any(|role| !program_arguments(object, role).is_empty())
}

fn volumes(object: &Value) -> impl Iterator<Item = &Value> {
    pod_spec(object)["volumes"].as_array().into_iter().flatten()
}

fn mounts_key(object: &Value) -> bool {
    volumes(object).any(|volume| !volume["secret"].is_null() || !volume["hostPath"].is_null())
}

fn has_host_folder(object: &Value) -> bool {
    volumes(object).any(|volume| !volume["hostPath"].is_null())
}

#[cfg(test)]
mod tests;
