//! `gauntlet list`: the scenarios, or the boxes that are up.

use std::collections::BTreeSet;

use model::{Capability, Loaded};
use serde_json::{Value, json};

use crate::args::List;
use crate::changed::Chosen;
use crate::commands::lint::count;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::{changed, folders, ui};

/// Lists.
pub(crate) fn run(args: &List) -> Result<Exit, Fault> {
    if args.boxes {
        return boxes(args.json);
    }
    let found = folders::find(&args.folders)?;
    let library = found.library()?;
    let ids: Vec<&str> = library
        .scenarios
        .iter()
        .map(|loaded| loaded.id.as_str())
        .collect();
    let chosen = changed::choose(&found, &library, &ids, &args.choice)?;
    let is_chosen = |loaded: &&Loaded| chosen.ids.contains(&loaded.id.as_str());
    let all: Vec<&Loaded> = library.scenarios.iter().filter(is_chosen).collect();
    if args.json {
        ui::say(&pretty(
            &all.iter().map(|loaded| as_json(loaded, &chosen)).collect(),
        ));
    } else {
        ui::say(&table(&all, &chosen));
    }
    for (id, error) in &library.faults {
        ui::note(&format!(
            "warning: `{id}` cannot be read: {}",
            error.to_string().lines().next().unwrap_or_default()
        ));
    }
    Ok(Exit::Passed)
}

fn table(all: &[&Loaded], chosen: &Chosen<'_>) -> String {
    let width = all
        .iter()
        .map(|loaded| loaded.id.len())
        .max()
        .unwrap_or_default();
    let touched = all
        .iter()
        .map(|loaded| touched(loaded, chosen).chars().count())
        .max()
        .unwrap_or_default();
    let omits = all
        .iter()
        .map(|loaded| omitted(loaded).chars().count())
        .max()
        .unwrap_or_default();
    let mut out = String::new();
    for loaded in all {
        let (worlds, steps) = (loaded.scenario.worlds.len(), loaded.scenario.steps.len());
        out.push_str(&format!(
            "{:width$}  {worlds:>2} × {steps:>2}{:omits$} = {:>3}  {:touched$}{}{}{}\n",
            loaded.id,
            omitted(loaded),
            loaded.scenario.count_cells(),
            self::touched(loaded, chosen),
            if touched > 0 { "  " } else { "" },
            why(loaded),
            needs(loaded)
        ));
    }
    let cells = all.iter().map(|loaded| loaded.scenario.count_cells()).sum();
    out.push_str(&format!(
        "\n{}, {} (worlds × steps − omitted = cells)\n",
        count(all.len(), "scenario"),
        count(cells, "cell")
    ));
    out
}

/// The cells that worlds leave out, as what is taken away.
fn omitted(loaded: &Loaded) -> String {
    let all = loaded.scenario.worlds.len() * loaded.scenario.steps.len();
    match all - loaded.scenario.count_cells() {
        0 => String::new(),
        omitted => format!(" − {omitted}"),
    }
}

/// What chose it, the first and how many more; nothing where nobody asked for that.
fn touched(loaded: &Loaded, chosen: &Chosen<'_>) -> String {
    match chosen.why.get(&loaded.id).map(Vec::as_slice) {
        None | Some([]) => String::new(),
        Some([only]) => only.clone(),
        Some([first, more @ ..]) => format!("{first} and {} more", more.len()),
    }
}

/// The first sentence of its `why`, on one line.
fn why(loaded: &Loaded) -> String {
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
fn needs(loaded: &Loaded) -> String {
    let all = all_needs(loaded);
    if all.is_empty() {
        String::new()
    } else {
        format!(" [needs {}]", all.join(", "))
    }
}

fn all_needs(loaded: &Loaded) -> Vec<String> {
    let worlds = loaded.scenario.worlds.keys();
    let needs: BTreeSet<Capability> = worlds
        .flat_map(|world| model::requirements(loaded, world))
        .collect();
    needs.iter().map(ToString::to_string).collect()
}

fn as_json(loaded: &Loaded, chosen: &Chosen<'_>) -> Value {
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

fn boxes(as_json: bool) -> Result<Exit, Fault> {
    let all = native::list(&native::Cache::from_env()?);
    if as_json {
        let value = all.iter().map(|one| {
            json!({"name": one.name, "kubernetes": one.kubernetes, "server": one.server, "kubeconfig": one.kubeconfig})
        });
        ui::say(&pretty(&value.collect()));
        return Ok(Exit::Passed);
    }
    for one in &all {
        ui::say(&format!(
            "{}  Kubernetes {}  {}  {}",
            one.name,
            one.kubernetes,
            one.server,
            one.kubeconfig.display()
        ));
    }
    if all.is_empty() {
        ui::note("no box is up");
    }
    Ok(Exit::Passed)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
