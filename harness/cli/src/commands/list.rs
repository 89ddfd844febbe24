//! `gauntlet list`: the scenarios, or the boxes that are up.

use std::collections::BTreeSet;

use model::{Capability, LoadedScenario};
use serde_json::{Value, json};

use crate::args::ListArguments;
use crate::changed::ChosenScenarios;
use crate::commands::lint::count_scenarios;
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::{changed, folders, ui};

/// Lists.
pub(crate) fn run_list(args: &ListArguments) -> Result<ExitReason, CommandFault> {
    if args.boxes {
        return boxes_text(args.json);
    }
    let found = folders::find_folders(&args.folders)?;
    let library = found.open_library()?;
    let ids: Vec<&str> = library
        .scenarios
        .iter()
        .map(|loaded| loaded.id.as_str())
        .collect();
    let chosen = changed::choose_scenarios(&found, &library, &ids, &args.choice)?;
    let is_chosen = |loaded: &&LoadedScenario| chosen.ids.contains(&loaded.id.as_str());
    let all: Vec<&LoadedScenario> = library.scenarios.iter().filter(is_chosen).collect();
    if args.json {
        ui::print_result(&pretty_json(
            &all.iter().map(|loaded| as_json(loaded, &chosen)).collect(),
        ));
    } else {
        ui::print_result(&scenario_table(&all, &chosen));
    }
    for (id, error) in &library.faults {
        ui::print_note(&format!(
            "warning: `{id}` cannot be read: {}",
            error.to_string().lines().next().unwrap_or_default()
        ));
    }
    Ok(ExitReason::Passed)
}

fn scenario_table(all: &[&LoadedScenario], chosen: &ChosenScenarios<'_>) -> String {
    let width = all
        .iter()
        .map(|loaded| loaded.id.len())
        .max()
        .unwrap_or_default();
    let touched = all
        .iter()
        .map(|loaded| touched_text(loaded, chosen).chars().count())
        .max()
        .unwrap_or_default();
    let omits = all
        .iter()
        .map(|loaded| omitted_cells(loaded).chars().count())
        .max()
        .unwrap_or_default();
    let mut out = String::new();
    for loaded in all {
        let (worlds, steps) = (loaded.scenario.worlds.len(), loaded.scenario.steps.len());
        out.push_str(&format!(
            "{:width$}  {worlds:>2} × {steps:>2}{:omits$} = {:>3}  {:touched$}{}{}{}\n",
            loaded.id,
            omitted_cells(loaded),
            loaded.scenario.count_cells(),
            self::touched_text(loaded, chosen),
            if touched > 0 { "  " } else { "" },
            why_sentence(loaded),
            needs_text(loaded)
        ));
    }
    let cells = all.iter().map(|loaded| loaded.scenario.count_cells()).sum();
    out.push_str(&format!(
        "\n{}, {} (worlds × steps − omitted = cells)\n",
        count_scenarios(all.len(), "scenario"),
        count_scenarios(cells, "cell")
    ));
    out
}

/// The cells that worlds leave out, as what is taken away.
fn omitted_cells(loaded: &LoadedScenario) -> String {
    let all = loaded.scenario.worlds.len() * loaded.scenario.steps.len();
    match all - loaded.scenario.count_cells() {
        0 => String::new(),
        omitted => format!(" − {omitted}"),
    }
}

/// What chose it, the first and how many more; nothing where that was not asked for.
fn touched_text(loaded: &LoadedScenario, chosen: &ChosenScenarios<'_>) -> String {
    match chosen.why.get(&loaded.id).map(Vec::as_slice) {
        None | Some([]) => String::new(),
        Some([only]) => only.clone(),
        Some([first, more @ ..]) => format!("{first} and {} more", more.len()),
    }
}

/// The first sentence of its `why`, on one line.
fn why_sentence(loaded: &LoadedScenario) -> String {
    let line = loaded
        .scenario
        .why
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let end = line.find(". ").map_or(line.len(), |at| at + 1);
    line[..end].to_owned()
}

/// What its worlds need of their clusters, in brackets; nothing where an API server will do.
fn needs_text(loaded: &LoadedScenario) -> String {
    let all = all_needs(loaded);
    if all.is_empty() {
        String::new()
    } else {
        format!(" [needs {}]", all.join(", "))
    }
}

fn all_needs(loaded: &LoadedScenario) -> Vec<String> {
    let worlds = loaded.scenario.worlds.keys();
    let needs: BTreeSet<Capability> = worlds
        .flat_map(|world| model::world_requirements(loaded, world))
        .collect();
    needs.iter().map(ToString::to_string).collect()
}

fn as_json(loaded: &LoadedScenario, chosen: &ChosenScenarios<'_>) -> Value {
    let mut value = json!({
        "id": loaded.id,
        "worlds": loaded.scenario.worlds.keys().collect::<Vec<_>>(),
        "steps": loaded.scenario.steps.iter().map(|step| &step.id).collect::<Vec<_>>(),
        "cells": loaded.scenario.count_cells(),
        "needs": all_needs(loaded),
        "why": loaded.scenario.why,
    });
    if let Some(touched) = chosen.why.get(&loaded.id) {
        value["touched-by"] = json!(touched);
    }
    value
}

fn boxes_text(as_json: bool) -> Result<ExitReason, CommandFault> {
    let all = native::list_boxes(&native::BoxCache::from_env()?);
    if as_json {
        let value = all.iter().map(|one| {
            json!({"name": one.name, "kubernetes": one.kubernetes, "server": one.server, "kubeconfig": one.kubeconfig})
        });
        ui::print_result(&pretty_json(&value.collect()));
        return Ok(ExitReason::Passed);
    }
    for one in &all {
        ui::print_result(&format!(
            "{}  Kubernetes {}  {}  {}",
            one.name,
            one.kubernetes,
            one.server,
            one.kubeconfig.display()
        ));
    }
    if all.is_empty() {
        ui::print_note("no box is up");
    }
    Ok(ExitReason::Passed)
}

fn pretty_json(value: &Value) -> String {
    format!("{value:#}")
}
