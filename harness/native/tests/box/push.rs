//! Pushing the smallest image that runs, request by request, as any client does.

use std::collections::BTreeMap;

use native::probe_program;
use probe_image::ImageFile;
use serde_json::json;
use sha2::{Digest, Sha256};
use ureq::Agent;

/// An image in a registry.
pub(crate) struct Pushed {
    pub(crate) digest: String,
    pub(crate) manifest: String,
}

/// Pushes an image that holds nothing but the probe.
pub(crate) fn push(agent: &Agent, registry: &str, repository: &str, tag: &str) -> Pushed {
    let probe = probe_program(&crate::lives::cache()).unwrap();
    let files = BTreeMap::from([(
        "/probe".to_owned(),
        ImageFile {
            bytes: &probe,
            mode: 0o755,
        },
    )]);
    let layer = probe_image::image_layer(&files).unwrap();
    let config = json!({
        "architecture": probe_image::image_architecture(),
        "os": "linux",
        "config": { "Entrypoint": ["/probe"] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let base = format!("{registry}/v2/{repository}");
    for bytes in [&layer, &config] {
        upload(agent, &base, bytes);
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": probe_image::MANIFEST_TYPE,
        "config": { "mediaType": probe_image::CONFIG_TYPE, "digest": digest(&config), "size": config.len() },
        "layers": [{ "mediaType": probe_image::LAYER_TYPE, "digest": digest(&layer), "size": layer.len() }],
    });
    let manifest = manifest.to_string();
    let put = agent
        .put(format!("{base}/manifests/{tag}"))
        .header("content-type", probe_image::MANIFEST_TYPE);
    assert_eq!(put.send(manifest.as_str()).unwrap().status(), 201);
    Pushed {
        digest: digest(manifest.as_bytes()),
        manifest,
    }
}

fn upload(agent: &Agent, base: &str, bytes: &[u8]) {
    let begun = agent
        .post(format!("{base}/blobs/uploads/"))
        .send_empty()
        .unwrap();
    let location = begun.headers()["location"].to_str().unwrap();
    let put = agent
        .put(format!("{location}&digest={}", digest(bytes)))
        .header("content-type", "application/octet-stream");
    assert_eq!(put.send(bytes).unwrap().status(), 201);
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}
