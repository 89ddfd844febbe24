//! What is known about a cluster.

use std::path::PathBuf;
use std::time::Duration;

use api::ApiCaller;
use kube::Client;
use serde_json::Value;

use crate::Error;

/// How long a server may take to say its version.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What is known about a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterProfile {
    /// Its release, such as `v1.36.3`.
    pub version: String,
    /// Its nodes' names, sorted; empty for an API server alone.
    pub nodes: Vec<String>,
    /// Where its audit log is.
    pub audit: AuditAccess,
    /// The folder with a `PROCESS.log` for each of its processes, where there is one.
    pub logs: Option<PathBuf>,
    /// Whether it dies soon after its last world, so that nothing has to be tidied up in it.
    pub ephemeral: bool,
    /// The test image's reference.
    pub probe_image: String,
    /// Whether every node says that it has the test image, and there is a node.
    pub has_probe_image: bool,
}

/// Whether the API server's audit log can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditAccess {
    /// The API server writes none.
    None,
    /// Here, one JSON event a line.
    File(PathBuf),
    /// Not known, or not within reach.
    Unavailable,
}

impl ClusterProfile {
    pub(crate) async fn ask_cluster(admin: &Client, server: &str) -> Result<Self, Error> {
        let admin = ApiCaller {
            deadline: ANSWERS_WITHIN,
            ..ApiCaller::new(admin.clone(), crate::USER_AGENT)
        };
        let version = get_json(&admin, server, "/version", "say its version").await?;
        let nodes = get_json(&admin, server, "/api/v1/nodes", "list its nodes").await?;
        let items = nodes["items"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut nodes: Vec<String> = items
            .iter()
            .filter_map(|node| node["metadata"]["name"].as_str().map(str::to_owned))
            .collect();
        nodes.sort();
        Ok(Self {
            version: version["gitVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            nodes,
            audit: AuditAccess::Unavailable,
            logs: None,
            ephemeral: false,
            probe_image: native::PROBE_IMAGE.to_owned(),
            has_probe_image: !items.is_empty() && items.iter().all(may_have_probe_image),
        })
    }
}

/// How many images a kubelet lists, the largest first, by default (`nodeStatusMaxImages`).
const MOST_IMAGES_LISTED: usize = 50;

/// Whether a node lists the test image, or this many others that it may have it all the same.
fn may_have_probe_image(node: &Value) -> bool {
    let images = node["status"]["images"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if images.len() >= MOST_IMAGES_LISTED {
        return true;
    }
    let images = images.iter();
    let names = images.flat_map(|image| image["names"].as_array().into_iter().flatten());
    names
        .filter_map(Value::as_str)
        .any(|name| name == native::PROBE_IMAGE)
}

async fn get_json(
    admin: &ApiCaller,
    server: &str,
    path: &str,
    doing: &'static str,
) -> Result<Value, Error> {
    let no_answer = |source| Error::NoAnswer {
        server: server.to_owned(),
        source,
    };
    admin.fetch_body(path).await.map_err(|fault| match fault {
        api::Error::Request(fault) => no_answer(Some(Box::new(kube::Error::HttpError(fault)))),
        api::Error::Lost(fault) => no_answer(Some(fault)),
        api::Error::Late { .. } => no_answer(None),
        api::Error::Unexpected { said, .. } => Error::Refused {
            server: server.to_owned(),
            doing,
            said,
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_has_the_images_that_it_names() {
        let with = |name: &str| json!({"status": {"images": [{"names": ["a/b:1", name]}]}});
        assert!(may_have_probe_image(&with(native::PROBE_IMAGE)));
        assert!(!may_have_probe_image(&with("gauntlet.local/probe:0")));
        assert!(!may_have_probe_image(&json!({"status": {}})));
    }
}
