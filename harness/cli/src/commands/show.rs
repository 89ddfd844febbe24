//! `gauntlet show ID`: what a scenario tries, and the manifests as they will be sent.

use model::{Identity, Loaded, Names, Step};

use crate::args::{Filter, Show};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::{folders, select, ui};

/// Prints one scenario, or several if a glob is given.
pub(crate) fn run(args: &Show) -> Result<Exit, Fault> {
    let library = folders::find(&args.folders)?.library()?;
    let mut ids: Vec<&str> = library
        .scenarios
        .iter()
        .map(|loaded| loaded.id.as_str())
        .collect();
    ids.extend(library.faults.iter().map(|(id, _)| id.as_str()));
    ids.sort_unstable();
    let chosen = select::select(
        &ids,
        &Filter {
            ids: vec![args.id.clone()],
            area: Vec::new(),
        },
    )?;
    let chosen: Vec<String> = chosen.into_iter().map(Into::into).collect();
    for loaded in library
        .scenarios
        .iter()
        .filter(|loaded| chosen.contains(&loaded.id))
    {
        ui::say(&text(loaded)?);
    }
    match library
        .faults
        .into_iter()
        .find(|(id, _)| chosen.contains(id))
    {
        Some((_, error)) => Err(error.into()),
        None => Ok(Exit::Passed),
    }
}

const PLACEHOLDERS: &str = "\
# $(namespace) is a fresh name for every world of every run, shown here as gauntlet-xxxxxxxxxx.
# $(node) is a node of the cluster, shown here as node-1. $(image:probe) is the test image.";

const LATER: &str = "\
# $(image:NAME) and $(digest:NAME) are an image of the scenario, by tag and by digest, and $(key:NAME) is a public key: \
left as they are, because a run makes them.";

fn text(loaded: &Loaded) -> Result<String, Fault> {
    let names = Names {
        namespace: "gauntlet-xxxxxxxxxx".into(),
        nodes: (1..=native::MOST_NODES)
            .map(|number| format!("node-{number}"))
            .collect(),
        probe: native::PROBE_IMAGE.into(),
        ..Names::default()
    };
    let why = loaded.scenario.why.trim().replace('\n', "\n# ");
    let later = if is_about_images(loaded) {
        format!("{LATER}\n")
    } else {
        String::new()
    };
    let mut out = format!("# {}\n# {why}\n{PLACEHOLDERS}\n{later}", loaded.id);
    for (name, world) in &loaded.scenario.worlds {
        let shape = loaded.scenario.shape(world);
        let note = if world.ineffective {
            ", declared ineffective"
        } else {
            ""
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
            out.push_str(&manifest(loaded, file, &names)?);
        }
    }
    for step in &loaded.scenario.steps {
        out.push_str(&format!(
            "\n# ===== step {}\n{}",
            step.id,
            intents(loaded, step)
        ));
        for file in step.action.facts().reads {
            out.push_str(&manifest(loaded, file, &names)?);
        }
    }
    Ok(out)
}

/// Whether some of its placeholders stay.
fn is_about_images(loaded: &Loaded) -> bool {
    let worlds = loaded.scenario.worlds.values();
    worlds
        .into_iter()
        .any(|world| !loaded.scenario.install(world).is_empty())
}

/// A file's text with the placeholders filled in.
fn manifest(loaded: &Loaded, file: &str, names: &Names) -> Result<String, Fault> {
    let text = names.fill(&loaded.file_text(file)?);
    let text = text.trim_start_matches("---\n").trim_end();
    Ok(format!("---\n# {file}\n{text}\n"))
}

fn intents(loaded: &Loaded, step: &Step) -> String {
    let action = serde_json::to_string(&step.action).unwrap_or_default();
    let dry = if step.dry_run { ", dry run" } else { "" };
    let mut out = format!("# {} does {action}{dry}\n", asks(step.identity.as_ref()));
    if let Some(why) = &step.why {
        out.push_str(&format!("# {}\n", why.trim().replace('\n', "\n# ")));
    }
    for world in loaded.scenario.worlds.keys() {
        let intended = match step.intended(world) {
            _ if !loaded.scenario.takes(world, &step.id) => "left out".into(),
            intended => intended.map_or("nothing".into(), ToString::to_string),
        };
        out.push_str(&format!("#   {world}: {intended}\n"));
    }
    out
}

fn asks(identity: Option<&Identity>) -> String {
    match identity {
        None => "the administrator".into(),
        Some(Identity::Anonymous) => "nobody (anonymous)".into(),
        Some(Identity::User { name, groups }) if groups.is_empty() => format!("user {name}"),
        Some(Identity::User { name, groups }) => format!("user {name} of {}", groups.join(", ")),
        Some(Identity::Serviceaccount { name, .. }) => format!("ServiceAccount {name}"),
    }
}
