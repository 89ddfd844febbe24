//! The scenarios that docs/limits.md counts are those that there are.

use std::collections::{BTreeMap, BTreeSet};

use model::ScenarioLibrary;
use regex::Regex;

use crate::{root, text};

/// Its rows that count scenarios, by their beginning, and the areas that they count.
const ROWS: [(&str, &[&str]); 6] = [
    (
        "Pod Security, RBAC, admission policies and webhooks, audit, pods",
        &["admission", "audit", "pod-security", "pods", "rbac"],
    ),
    (
        "Image signing, SBOMs, the pipeline",
        &["pipeline", "sbom", "signing"],
    ),
    ("Engines side by side", &["engines"]),
    ("Secrets", &["secrets"]),
    ("NetworkPolicy", &["network"]),
    ("Security agent and manager", &["agent"]),
];

/// How many scenarios each area has.
fn areas() -> BTreeMap<String, usize> {
    let library = ScenarioLibrary::open(&root().join("scenarios")).unwrap();
    let mut areas = BTreeMap::new();
    for loaded in library.scenarios {
        let (area, _) = loaded.id.split_once('/').unwrap();
        *areas.entry(area.to_owned()).or_default() += 1;
    }
    areas
}

#[test]
fn the_table_of_what_works_counts_the_scenarios_that_exist() {
    let areas = areas();
    let row = Regex::new(r"(?m)^\| ([^|:]+): (\d+) scenarios\b").unwrap();
    let limits = text("docs/limits.md");
    let told: BTreeMap<&str, usize> = row
        .captures_iter(&limits)
        .map(|row| (row.get(1).unwrap().as_str(), row[2].parse().unwrap()))
        .collect();
    assert_eq!(
        told.keys().copied().collect::<BTreeSet<_>>(),
        ROWS.iter().map(|(name, _)| *name).collect()
    );
    for (name, counted) in ROWS {
        let there: usize = counted
            .iter()
            .map(|area| areas.get(*area).copied().unwrap_or_default())
            .sum();
        assert_eq!(told[name], there, "the row `{name}` counts {counted:?}");
    }
    let counted: Vec<&str> = ROWS
        .iter()
        .flat_map(|(_, areas)| areas.iter().copied())
        .collect();
    assert_eq!(
        counted.len(),
        counted.iter().collect::<BTreeSet<_>>().len(),
        "an area is counted twice"
    );
    assert_eq!(
        counted.into_iter().collect::<BTreeSet<_>>(),
        areas.keys().map(String::as_str).collect()
    );
}
