//! The JSON schema of a scenario file, generated from the types that read it.

use crate::Scenario;

/// The schema, as pretty JSON with a final newline.
#[must_use]
pub fn scenario_schema() -> String {
    let schema = schemars::schema_for!(Scenario);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
