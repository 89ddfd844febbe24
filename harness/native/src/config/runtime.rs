//! containerd, its network plugins, and the image that every pod's sandbox is made of.

use serde_json::json;

use super::{
    BOX_HOME, BoxBlueprint, BoxFile, BoxProcess, IMAGE_IMPORT, PROBE_IMAGE, box_file, box_process,
    json_file, policy, services,
};
use crate::node::BoxNode;

/// The namespace of containerd in which kubelets look for images.
pub(crate) const IMAGE_NAMESPACE: &str = "k8s.io";

/// A node's containerd's socket.
pub(crate) fn containerd_socket(node: BoxNode) -> String {
    format!("{BOX_HOME}/{}.sock", node.own_name("containerd"))
}

pub(super) fn containerd_processes(node: BoxNode) -> Vec<BoxProcess> {
    let containerd = box_process(
        "containerd",
        &format!("{BOX_HOME}/bin/runtime/containerd"),
        vec![format!(
            "--config={BOX_HOME}/{}.toml",
            node.own_name("containerd")
        )],
    );
    let socket = containerd_socket(node);
    let args = [
        "-a",
        &socket,
        "-n",
        IMAGE_NAMESPACE,
        "images",
        "import",
        "/run/gauntlet/images/probe.tar",
    ];
    let mut import = box_process(
        IMAGE_IMPORT,
        &format!("{BOX_HOME}/bin/runtime/ctr"),
        args.map(ToOwned::to_owned).to_vec(),
    );
    import.after_socket = Some(socket.into());
    import.ends = true;
    vec![containerd, import]
}

pub(super) fn containerd_files(blueprint: &BoxBlueprint, node: BoxNode) -> Vec<BoxFile> {
    let (mut ranges, mut routes) = (
        vec![json!([{ "subnet": node.pod_range() }])],
        vec![json!({ "dst": "0.0.0.0/0" })],
    );
    if blueprint.cluster.dual_stack {
        ranges.push(json!([{ "subnet": node.pods_6() }]));
        routes.push(json!({ "dst": "::/0" }));
    }
    let mut network = json!({
        "cniVersion": "1.0.0",
        "name": "box",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "ranges": ranges,
                    "routes": routes,
                    "dataDir": format!("{BOX_HOME}/{}", node.own_name("cni-data")),
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    });
    if let (Some(plugin), Some(plugins)) = (
        policy::cni_plugin(blueprint, node),
        network["plugins"].as_array_mut(),
    ) {
        plugins.push(plugin);
    }
    vec![
        box_file(
            format!("{}.toml", node.own_name("containerd")),
            containerd_process(node, blueprint.confined, blueprint.cluster.has_registry()),
        ),
        json_file(
            &format!("{}/10-box.conflist", node.own_name("cni")),
            &network,
        ),
    ]
}

/// Where CAP_SYS_RESOURCE is missing, runc is reached through this program (see [`crate::runc`]).
fn containerd_process(node: BoxNode, confined: bool, registry: bool) -> String {
    let runc = if confined {
        format!("{BOX_HOME}/bin/gauntlet-runc")
    } else {
        format!("{BOX_HOME}/bin/runtime/runc")
    };
    let registry = if registry { services::HOSTS_CONFIG } else { "" };
    let (folder, cni, socket) = (
        node.own_name("containerd"),
        node.own_name("cni"),
        containerd_socket(node),
    );
    format!(
        r#"version = 3
root = "{BOX_HOME}/{folder}/root"
state = "{BOX_HOME}/{folder}/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.native",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.differ.v1.erofs",
  "io.containerd.nri.v1.nri",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]
[grpc]
  address = "{socket}"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = {confined}
  disable_apparmor = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = "{runc}"
        SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{BOX_HOME}/bin/runtime", "{BOX_HOME}/bin"]
    conf_dir = "{BOX_HOME}/{cni}"
    use_internal_loopback = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PROBE_IMAGE}"
{registry}"#
    )
}
