//! An engine's own definitions (CRDs), from the manifest that its module ships.

use std::path::Path;

use api::{reply_message, was_taken};
use futures::future::try_join_all;
use model::library::object_yaml;
use serde_json::Value;
use wait::WaitLook;

use crate::Error;
use crate::admin::{Admin, wait_until};

/// The definitions of these names in a manifest of many objects.
pub(crate) fn named_definitions(manifest: &Path, names: &[&str]) -> Result<Vec<Value>, Error> {
    let found = read_definitions(manifest, |name| names.contains(&name))?;
    match names.iter().find(|name| {
        found
            .iter()
            .all(|object| object["metadata"]["name"] != **name)
    }) {
        Some(missing) => Err(Error::Release {
            manifest: manifest.display().to_string(),
            lack: format!("does not define {missing}"),
        }),
        None => Ok(found),
    }
}

/// The definitions in a manifest of many objects whose names are wanted.
pub(crate) fn read_definitions(
    manifest: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Value>, Error> {
    let text = std::fs::read_to_string(manifest).map_err(|source| Error::Read {
        path: manifest.to_owned(),
        source,
    })?;
    let mut found = Vec::new();
    for document in text.split("\n---\n") {
        if !document.contains("\nkind: CustomResourceDefinition\n") {
            continue;
        }
        let name = document
            .lines()
            .find_map(|line| line.strip_prefix("  name: "))
            .unwrap_or_default();
        if is_wanted(name) {
            let mut object: Value = serde_saphyr::from_str_with_options(document, object_yaml())
                .map_err(|source| Error::misread(name, source))?;
            strip_descriptions(&mut object["spec"]["versions"]);
            drop_unserved(&mut object);
            found.push(object);
        }
    }
    Ok(found)
}

/// Takes the prose out of schemas, which is half of their size and is not read here.
fn strip_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            fields.values_mut().for_each(strip_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_descriptions),
        _ => {}
    }
}

/// Takes out the versions that are not served.
fn drop_unserved(definition: &mut Value) {
    if let Some(versions) = definition["spec"]["versions"].as_array_mut() {
        versions.retain(|version| version["served"] != false || version["storage"] == true);
    }
}

/// Makes definitions, and waits until their kinds are served.
pub(crate) async fn install_definitions(admin: &Admin, definitions: &[Value]) -> Result<(), Error> {
    try_join_all(
        definitions
            .iter()
            .map(|definition| install_one(admin, definition)),
    )
    .await
    .map(drop)
}

async fn install_one(admin: &Admin, definition: &Value) -> Result<(), Error> {
    admin.create_object(definition).await?;
    let path = served_path(definition);
    wait_until(
        &format!("`{path}` to answer"),
        std::time::Duration::from_millis(40),
        async || {
            let reply = admin.get(&path).await?;
            Ok(WaitLook::when(was_taken(&reply), || reply_message(&reply)))
        },
    )
    .await
}

/// The path that the API server answers once it serves the kind of a definition.
pub(crate) fn served_path(definition: &Value) -> String {
    let spec = &definition["spec"];
    let versions = spec["versions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let stored = versions.iter().find(|version| version["storage"] == true);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = stored
        .map(|version| text(&version["name"]))
        .unwrap_or_default();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    format!("/apis/{group}/{version}/{plural}?limit=1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_kind_is_served_in_the_version_that_is_stored() {
        let versions =
            json!([{"name": "v1beta1", "storage": false}, {"name": "v1", "storage": true}]);
        let definition =
            json!({"spec": {"group": "g.io", "names": {"plural": "things"}, "versions": versions}});
        assert_eq!(served_path(&definition), "/apis/g.io/v1/things?limit=1");
    }

    #[test]
    fn prose_goes_and_a_field_of_that_name_stays() {
        let mut schema = json!({"description": "long", "properties": {"description": {"type": "string", "description": "x"}}});
        strip_descriptions(&mut schema);
        assert_eq!(
            schema,
            json!({"properties": {"description": {"type": "string"}}})
        );
    }

    #[test]
    fn a_version_stays_if_it_is_served_or_stored() {
        let version = |name: &str, served: bool, storage: bool| json!({"name": name, "served": served, "storage": storage});
        let mut definition = json!({"spec": {"versions": [version("v1", true, false), version("v2", false, true), version("v3", false, false)]}});
        drop_unserved(&mut definition);
        let names: Vec<_> = definition["spec"]["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["name"])
            .collect();
        assert_eq!(names, ["v1", "v2"]);
    }
}
