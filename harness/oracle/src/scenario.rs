//! A disagreement, as a scenario that can be tried.

mod network;
mod pod_security;
mod rbac;

use std::fmt;

use serde::Serialize;
use serde_json::Value;

pub use network::{network_scenario, world_objects};
pub use pod_security::pod_security;
pub use rbac::rbac_scenario;

use crate::Error;

/// The files of a scenario's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScenarioFiles(pub Vec<(String, String)>);

impl ScenarioFiles {
    /// Adds a file of one or more YAML documents.
    fn add<T: Serialize>(&mut self, name: &str, documents: &[T]) -> Result<(), Error> {
        let texts = documents
            .iter()
            .map(yaml_documents)
            .collect::<Result<Vec<_>, _>>()?;
        self.0.push((name.to_owned(), texts.join("---\n")));
        Ok(())
    }
}

fn yaml_documents(value: &impl Serialize) -> Result<String, Error> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Write { source };
    // By way of JSON, so that what is unset is left out and keys stay in their order.
    let value = serde_json::to_value(value).map_err(|why| failed(Box::new(why)))?;
    serde_saphyr::to_string(&value).map_err(|why| failed(Box::new(why)))
}

impl fmt::Display for ScenarioFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(name, text)| write!(f, "# {name}\n{text}\n"))
    }
}

/// The namespace of the generators that becomes the scenario's own; the others' names begin with
/// it.
const OWN_NAMESPACE: &str = "one";

/// The label that every namespace has of its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// What a namespace of the generators is called in a scenario.
fn scenario_namespace(namespace: &str) -> String {
    if namespace == OWN_NAMESPACE {
        "$(namespace)".to_owned()
    } else {
        format!("$(namespace)-{namespace}")
    }
}

/// Moves an object into the scenario's namespaces, and its selectors with it.
fn place_object(mut object: Value) -> Value {
    let rename = |value: &mut Value| {
        if let Some(renamed) = value.as_str().map(scenario_namespace) {
            *value = renamed.into();
        }
    };
    match &mut object {
        Value::Object(fields) => {
            let of_names = fields.get("key").is_some_and(|key| key == NAME_LABEL);
            if fields.get("kind").is_some_and(|kind| kind == "Namespace") {
                fields
                    .get_mut("metadata")
                    .and_then(|meta| meta.get_mut("name"))
                    .into_iter()
                    .for_each(rename);
            }
            for (key, value) in fields.iter_mut() {
                match value {
                    Value::Array(values) if of_names && key == "values" => {
                        values.iter_mut().for_each(rename)
                    }
                    text if key == "namespace" || key == NAME_LABEL => rename(text),
                    other => *other = place_object(other.take()),
                }
            }
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| *value = place_object(value.take())),
        _ => {}
    }
    object
}
