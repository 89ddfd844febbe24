//! The committed JSON schema is the one that the types generate.

#[test]
fn the_schema_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/scenario.v1.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == model::scenario_schema(),
        "the scenario types changed: `cargo run --release -- schema --write golden/schema/scenario.v1.json`"
    );
}
