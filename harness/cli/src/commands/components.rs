//! `gauntlet components`: what is pinned and built; building, exporting and importing it.

use native::Cache;
use native::components::{Component, pinned};

use crate::args::{Components, ComponentsWhat};
use crate::commands::lint::count;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::progress::Board;
use crate::{interrupt, ui};

/// Does what was asked.
pub(crate) fn run(args: &Components) -> Result<Exit, Fault> {
    let cache = Cache::from_env()?;
    match args.what.as_ref().unwrap_or(&ComponentsWhat::List) {
        ComponentsWhat::List => list(&cache),
        ComponentsWhat::Build { names } => build(&cache, &named(names)?)?,
        ComponentsWhat::Export { file } => {
            let done = cache.export(file)?;
            ui::say(&format!(
                "{} in `{}`: {}",
                count(done.len(), "component"),
                file.display(),
                done.join(", ")
            ));
        }
        ComponentsWhat::Import { file } => {
            let done = cache.import(file)?;
            ui::say(&format!(
                "{} from `{}`: {}",
                count(done.len(), "component"),
                file.display(),
                done.join(", ")
            ));
        }
    }
    Ok(Exit::Passed)
}

fn list(cache: &Cache) {
    for component in pinned() {
        let state = if cache.built(component) {
            "built  "
        } else {
            "missing"
        };
        ui::say(&format!(
            "{state}  {:25}  {}",
            component.title(),
            component.binaries.join(" ")
        ));
    }
    ui::say(&format!("\nin {}", cache.components().display()));
}

fn named(names: &[String]) -> Result<Vec<&'static Component>, Fault> {
    if names.is_empty() {
        return Ok(pinned().iter().collect());
    }
    let find = |name: &String| {
        let found = pinned()
            .iter()
            .find(|component| component.title() == *name || component.name == name);
        found.ok_or_else(|| {
            Fault::from(native::components::Error::UnknownComponent(name.clone())).hint(known())
        })
    };
    names.iter().map(find).collect()
}

fn known() -> String {
    format!(
        "pinned are {}",
        pinned()
            .iter()
            .map(Component::title)
            .collect::<Vec<_>>()
            .join(", ")
    )
}

/// Builds those that are not built, saying what goes on.
pub(crate) fn build(cache: &Cache, wanted: &[&Component]) -> Result<(), Fault> {
    interrupt::watch(cache);
    let board = Board::new();
    cache.ensure(wanted, interrupt::LAUNCHER.as_ref(), &mut |step| {
        board.component(&step)
    })?;
    board.clear();
    Ok(())
}
