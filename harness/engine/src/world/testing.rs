//! Scenarios for tests.

use std::fs;

use model::LoadedScenario;

/// A scenario of this text, with these files beside it.
pub(crate) fn parse_scenario(text: &str, files: &[(&str, &str)]) -> LoadedScenario {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("scenario.yaml"), text).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    LoadedScenario::read("test/case".into(), folder.path().to_owned()).unwrap()
}

#[path = "../../tests/exchanges/server.rs"]
mod server;

/// An API server that answers from a script; the tests with recorded exchanges use it as well.
#[path = "../../tests/exchanges/script.rs"]
pub(crate) mod script;
