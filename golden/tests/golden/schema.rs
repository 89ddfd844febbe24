//! The committed JSON schema and reference are those that the types generate.

#[test]
fn the_schema_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/scenario.v2.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == model::scenario_schema(),
        "the scenario types changed: `cargo run --release -- schema --write golden/schema/scenario.v2.json`"
    );
}

#[test]
fn the_reference_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenario.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == model::scenario_reference(),
        "the scenario types changed: `cargo run --release -- schema --reference --write docs/scenario.md`"
    );
}
