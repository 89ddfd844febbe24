//! Every kind of object that an addon's release serves is known: with a scope and a barrier, or
//! among those that nobody knows how to wait for. The kinds of each release are in `kinds`, a file
//! for each component, so that the table is compared on every machine. Where a component is built,
//! its file is compared with the component's definitions; `GAUNTLET_RECORD=1` writes it again.
//! Where it is not, that test is ignored, but for `GAUNTLET_ALL_BUILT=1`, which CI sets.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use components::{BoxCache, PinnedComponent, find_titled};
use libtest_mimic::{Arguments, Trial};
use model::{ADDONS, PureAddon};

const RECORD: &str = "GAUNTLET_RECORD";
const ALL_BUILT: &str = "GAUNTLET_ALL_BUILT";

/// Group and kind.
type ServedKind = (String, String);

fn main() -> ExitCode {
    let mut trials = vec![Trial::test("every_definition_in_a_text_is_found", || {
        read_a_text();
        Ok(())
    })];
    for addon in ADDONS.iter().filter(|addon| !addon.kinds.is_empty()) {
        trials.push(Trial::test(
            format!("every_kind_is_known::{}", addon.name),
            move || Ok(expect_all_known(addon)?),
        ));
        for version in addon.versions {
            trials.push(built_trial(version.components[0]));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Compares a component's file with what it serves, where it is built.
fn built_trial(title: &'static str) -> Trial {
    let is_built = || {
        let component = find_titled(title).ok()?;
        BoxCache::from_env().ok()?.is_built(component).then_some(())
    };
    let must_run = std::env::var_os(ALL_BUILT).is_some();
    Trial::test(
        format!("the_release_serves_what_is_listed::{title}"),
        move || Ok(expect_as_listed(title)?),
    )
    .with_ignored_flag(is_built().is_none() && !must_run)
}

/// What is listed is in the table, once, and what is in the table is listed.
fn expect_all_known(addon: &PureAddon) -> Result<(), String> {
    let mut served = BTreeSet::new();
    for version in addon.versions {
        served.extend(read_list(version.components[0])?);
    }
    let of_groups = |group: &'static str| served.iter().filter(move |(listed, _)| listed == group);
    for (group, kind) in &served {
        let is = |known: &(&str, &str)| *known == (group.as_str(), kind.as_str());
        let known = addon
            .kinds
            .iter()
            .any(|known| is(&(known.group, known.kind)));
        let closed = addon.without_barrier.iter().any(is);
        if known == closed {
            return Err(format!(
                "{addon}: {kind} of {group} is in the table {}",
                if known { "twice" } else { "nowhere" }
            ));
        }
    }
    for (group, kind) in addon.without_barrier {
        if !of_groups(group).any(|(_, listed)| listed == kind) {
            return Err(format!("{addon}: no release serves {kind} of {group}"));
        }
    }
    Ok(())
}

/// The file of a built component holds what its definitions say.
fn expect_as_listed(title: &str) -> Result<(), String> {
    let component = find_titled(title).map_err(|error| error.to_string())?;
    let cache = BoxCache::from_env().map_err(|error| error.to_string())?;
    if !cache.is_built(component) {
        return Err(format!(
            "{title} is not built, and {ALL_BUILT} says that everything is"
        ));
    }
    let served = released_kinds(&cache, component)?;
    if served.is_empty() {
        return Err(format!("{title} serves no kinds, and its addon has some"));
    }
    if std::env::var_os(RECORD).is_some() {
        let mut text = String::new();
        for (group, kind) in &served {
            let _ = writeln!(text, "{group} {kind}");
        }
        return fs::write(list_path(title), text).map_err(|why| why.to_string());
    }
    let listed = read_list(title)?;
    let lacking: Vec<_> = served.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&served).collect();
    match (lacking.is_empty(), gone.is_empty()) {
        (true, true) => Ok(()),
        _ => Err(format!(
            "{title}: served and not listed {lacking:?}, listed and not served {gone:?}; \
             {RECORD}=1 writes the file again"
        )),
    }
}

fn list_path(title: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("kinds")
        .join(format!("{title}.txt"))
}

fn read_list(title: &str) -> Result<BTreeSet<ServedKind>, String> {
    let path = list_path(title);
    let text = fs::read_to_string(&path).map_err(|why| {
        format!(
            "{}: {why}; {RECORD}=1 writes it where {title} is built",
            path.display()
        )
    })?;
    let kind = |line: &str| {
        let (group, kind) = line.split_once(' ')?;
        Some((group.to_owned(), kind.to_owned()))
    };
    text.lines()
        .map(|line| kind(line).ok_or_else(|| format!("`{line}` is not a group and a kind")))
        .collect()
}

fn released_kinds(
    cache: &BoxCache,
    component: &PinnedComponent,
) -> Result<BTreeSet<ServedKind>, String> {
    let folder = cache.data_path(component, "");
    let mut served = BTreeSet::new();
    for file in fs::read_dir(folder).map_err(|why| why.to_string())? {
        let path = file.map_err(|why| why.to_string())?.path();
        let text = fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        served.extend(served_kinds(&text));
    }
    Ok(served)
}

/// Group and kind of every definition in a manifest, by the first lines that say so.
fn served_kinds(text: &str) -> Vec<ServedKind> {
    let documents = text.split("\n---\n").filter(|one| {
        one.lines()
            .any(|line| line == "kind: CustomResourceDefinition")
    });
    let first = |one: &str, head: &str| {
        let found = one.lines().find_map(|line| line.strip_prefix(head));
        found
            .unwrap_or_default()
            .trim()
            .trim_matches('"')
            .to_owned()
    };
    documents
        .map(|one| (first(one, "  group:"), first(one, "    kind:")))
        .collect()
}

fn read_a_text() {
    let text = "kind: Namespace\n---\napiVersion: x/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: a\nspec:\n  group: g.io\n  names:\n    kind: Thing\n    plural: things\n";
    assert_eq!(
        served_kinds(text),
        [("g.io".to_owned(), "Thing".to_owned())]
    );
}
