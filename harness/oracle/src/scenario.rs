//! A disagreement, as a scenario that can be tried.

mod pod_security;
mod rbac;

use std::fmt;

use serde::Serialize;

pub use pod_security::pod_security;
pub use rbac::rbac;

use crate::Error;

/// The files of a scenario's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(pub Vec<(String, String)>);

impl Files {
    /// Adds a file of one or more YAML documents.
    fn add<T: Serialize>(&mut self, name: &str, documents: &[T]) -> Result<(), Error> {
        let texts = documents.iter().map(yaml).collect::<Result<Vec<_>, _>>()?;
        self.0.push((name.to_owned(), texts.join("---\n")));
        Ok(())
    }
}

fn yaml(value: &impl Serialize) -> Result<String, Error> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Write { source };
    // By way of JSON, so that what is unset is left out and keys stay in their order.
    let value = serde_json::to_value(value).map_err(|why| failed(Box::new(why)))?;
    serde_saphyr::to_string(&value).map_err(|why| failed(Box::new(why)))
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, text)| write!(f, "# {name}\n{text}\n"))
    }
}
