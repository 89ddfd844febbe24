//! `gauntlet show ID`: what a scenario tries, and the manifests as they will be sent.

use model::{ImpersonateHeaders, LoadedScenario, PlaceholderValues, ScenarioStep, StepIdentity};

use crate::args::{ScenarioFilter, ShowArguments};
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::{folders, select, ui};

/// Prints one scenario, or several if a glob is given.
pub(crate) fn run_show(args: &ShowArguments) -> Result<ExitReason, CommandFault> {
    let library = folders::find_folders(&args.folders)?.open_library()?;
    let mut ids: Vec<&str> = library
        .scenarios
        .iter()
        .map(|loaded| loaded.id.as_str())
        .collect();
    ids.extend(library.faults.iter().map(|(id, _)| id.as_str()));
    ids.sort_unstable();
    let chosen = select::select_ids(
        &ids,
        &ScenarioFilter {
            ids: vec![args.id.clone()],
            ..ScenarioFilter::default()
        },
    )?;
    let chosen: Vec<String> = chosen.into_iter().map(Into::into).collect();
    for loaded in library
        .scenarios
        .iter()
        .filter(|loaded| chosen.contains(&loaded.id))
    {
        ui::print_result(&scenario_text(loaded)?);
    }
    match library
        .faults
        .into_iter()
        .find(|(id, _)| chosen.contains(id))
    {
        Some((_, error)) => Err(error.into()),
        None => Ok(ExitReason::Passed),
    }
}

const PLACEHOLDER_NOTE: &str = "\
# $(namespace) is a fresh name for every world of every run, shown here as gauntlet-xxxxxxxxxx.
# $(node) is a node of the cluster, shown here as node-1. $(image:probe) is the test image.";

const LATER_NOTE: &str = "\
# $(image:NAME) and $(digest:NAME) are an image of the scenario, by tag and by digest, and $(key:NAME) is a public key: \
left as they are, because a run makes them.";

fn scenario_text(loaded: &LoadedScenario) -> Result<String, CommandFault> {
    let names = PlaceholderValues {
        namespace: "gauntlet-xxxxxxxxxx".into(),
        nodes: (1..=native::MOST_NODES)
            .map(|number| format!("node-{number}"))
            .collect(),
        probe: native::PROBE_IMAGE.into(),
        ..PlaceholderValues::default()
    };
    let why = loaded.scenario.why.trim().replace('\n', "\n# ");
    let later = if is_about_images(loaded) {
        format!("{LATER_NOTE}\n")
    } else {
        String::new()
    };
    let mut out = format!("# {}\n# {why}\n{PLACEHOLDER_NOTE}\n{later}", loaded.id);
    for (name, world) in &loaded.scenario.worlds {
        let shape = loaded.scenario.world_shape(world);
        let note = match (&world.did_not_help, &world.repairs) {
            _ if world.ineffective => ", declared ineffective".to_owned(),
            (Some(otherwise), _) => format!(", declared not to help here (it is for {otherwise})"),
            (None, Some(broken)) => format!(", repairs {broken}"),
            (None, None) => String::new(),
        };
        out.push_str(&format!(
            "\n# ===== world {name}: Kubernetes {}, {} node(s){note}; applies {}\n",
            shape.kubernetes,
            shape.nodes,
            if world.apply.is_empty() {
                "nothing".into()
            } else {
                world.apply.join(", ")
            },
        ));
        for file in &world.apply {
            out.push_str(&manifest_text(loaded, file, &names)?);
        }
    }
    for step in &loaded.scenario.steps {
        out.push_str(&format!(
            "\n# ===== step {}\n{}",
            step.id,
            intent_lines(loaded, step)
        ));
        for file in step.action.facts().reads {
            out.push_str(&manifest_text(loaded, file, &names)?);
        }
    }
    Ok(out)
}

/// Whether some of its placeholders stay.
fn is_about_images(loaded: &LoadedScenario) -> bool {
    let worlds = loaded.scenario.worlds.values();
    worlds
        .into_iter()
        .any(|world| !loaded.scenario.world_installs(world).is_empty())
}

/// A file's text with the placeholders filled in.
fn manifest_text(
    loaded: &LoadedScenario,
    file: &str,
    names: &PlaceholderValues,
) -> Result<String, CommandFault> {
    let text = names.fill_text(&loaded.file_text(file)?);
    let text = text.trim_start_matches("---\n").trim_end();
    Ok(format!("---\n# {file}\n{text}\n"))
}

fn intent_lines(loaded: &LoadedScenario, step: &ScenarioStep) -> String {
    let action = serde_json::to_string(&step.action).unwrap_or_default();
    let dry = if step.dry_run { ", dry run" } else { "" };
    let mut out = format!(
        "# {} does {action}{dry}\n",
        step_request(step.identity.as_ref())
    );
    if let Some(why) = &step.why {
        out.push_str(&format!("# {}\n", why.trim().replace('\n', "\n# ")));
    }
    for world in loaded.scenario.worlds.keys() {
        let intended = match step.intended_verdict(world) {
            _ if !loaded.scenario.takes_step(world, &step.id) => "left out".into(),
            intended => intended.map_or("nothing".into(), ToString::to_string),
        };
        out.push_str(&format!("#   {world}: {intended}\n"));
    }
    out
}

fn step_request(identity: Option<&StepIdentity>) -> String {
    match identity {
        None => "the administrator".into(),
        Some(StepIdentity::Anonymous) => "anonymous (no credentials)".into(),
        Some(StepIdentity::User {
            name,
            groups,
            impersonate,
            ..
        }) => {
            let mut user = format!("user {name}");
            if !groups.is_empty() {
                user.push_str(&format!(" of {}", groups.join(", ")));
            }
            user + &acting_as(impersonate.as_ref())
        }
        Some(StepIdentity::Serviceaccount {
            name, impersonate, ..
        }) => format!("ServiceAccount {name}{}", acting_as(impersonate.as_ref())),
    }
}

fn acting_as(other: Option<&ImpersonateHeaders>) -> String {
    other.map_or_else(String::new, |other| format!(" as {}", other.user))
}
