//! Indexes: made of images that are there, copied with them, and no image themselves.

use std::collections::BTreeMap;

use artifact::{Error, OciImage, OciRegistry, digest};
use model::ImageChange;
use serde_json::{Value, json};

use crate::{INDEX, MANIFEST, registry};

fn child(architecture: &str) -> OciImage {
    OciImage::for_architecture(b"base", &BTreeMap::new(), architecture).unwrap()
}

/// A registry that holds an index of two children: its digest.
fn with_index() -> (OciRegistry, String) {
    let registry = registry::start();
    for architecture in ["amd64", "arm64"] {
        registry
            .push_image("one/app", architecture, &child(architecture), None)
            .unwrap();
    }
    let children = ["amd64", "arm64"].map(str::to_owned);
    let name = registry.put_index("one/app", "v1", &children).unwrap();
    (registry, name)
}

#[test]
fn an_index_names_each_child_with_its_platform() {
    let (registry, name) = with_index();
    let index = registry.fetch_manifest("one/app", "v1").unwrap();
    assert_eq!((index.media_type.as_str(), &index.digest), (INDEX, &name));
    let entry = |architecture: &str| {
        let bytes = child(architecture).manifest;
        json!({
            "mediaType": MANIFEST, "digest": digest(&bytes), "size": bytes.len(),
            "platform": { "architecture": architecture, "os": "linux" },
        })
    };
    let named: Value = index.json().unwrap()["manifests"].clone();
    assert_eq!(named, json!([entry("amd64"), entry("arm64")]));
}

#[test]
fn a_copied_index_has_its_children() {
    let (registry, name) = with_index();
    let copied = registry
        .copy_image("one/app", "v1", "two/app", "v2")
        .unwrap();
    assert_eq!(copied, name);
    for architecture in ["amd64", "arm64"] {
        let image = child(architecture);
        let there = registry.fetch_manifest("two/app", &image.digest()).unwrap();
        assert_eq!(there.bytes, image.manifest);
        for blob in &image.blobs {
            assert_eq!(
                &registry.fetch_blob("two/app", &digest(blob)).unwrap(),
                blob
            );
        }
    }
}

#[test]
fn an_index_has_no_layers_to_change_and_is_no_child() {
    let (registry, name) = with_index();
    for change in [ImageChange::Layer, ImageChange::Config] {
        let said = registry.tamper_tag("one/app", "v1", change);
        assert!(matches!(said, Err(Error::Malformed { .. })), "{said:?}");
    }
    let outer = registry.put_index("one/app", "v2", &["v1".to_owned()]);
    assert!(matches!(outer, Err(Error::Malformed { .. })), "{outer:?}");
    let (old, new) = registry
        .tamper_tag("one/app", "v1", ImageChange::Manifest)
        .unwrap();
    assert!(old == name && new != name);
    let there = registry.fetch_manifest("one/app", "v1").unwrap();
    assert_eq!(there.media_type, INDEX);
}
