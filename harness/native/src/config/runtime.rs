//! containerd, its network plugins, and the image that every pod's sandbox is made of.

use serde_json::json;

use super::{
    Blueprint, File, HOME, IMAGE_IMPORT, PROBE_IMAGE, Process, file, json as json_file, policy, process, services,
};

/// containerd's socket.
pub(super) const SOCKET: &str = "/run/gauntlet/containerd.sock";

/// The first /20 of the pods' addresses; a second node would get the next.
const NODE_PODS: &str = "10.244.0.0/20";

pub(super) fn processes() -> Vec<Process> {
    let containerd = process(
        "containerd",
        &format!("{HOME}/bin/runtime/containerd"),
        vec![format!("--config={HOME}/containerd.toml")],
    );
    let args = ["-a", SOCKET, "-n", "k8s.io", "images", "import", "/run/gauntlet/images/probe.tar"];
    let mut import = process(IMAGE_IMPORT, &format!("{HOME}/bin/runtime/ctr"), args.map(ToOwned::to_owned).to_vec());
    import.after_socket = Some(SOCKET.into());
    import.ends = true;
    vec![containerd, import]
}

pub(super) fn files(blueprint: &Blueprint) -> Vec<File> {
    let mut network = json!({
        "cniVersion": "1.0.0",
        "name": "box",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": NODE_PODS }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                    "dataDir": format!("{HOME}/cni-data"),
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    });
    if let (Some(plugin), Some(plugins)) = (policy::plugin(blueprint), network["plugins"].as_array_mut()) {
        plugins.push(plugin);
    }
    vec![
        file("containerd.toml", containerd(blueprint.confined, blueprint.shape.has_registry())),
        json_file("cni/10-box.conflist", &network),
    ]
}

/// Where CAP_SYS_RESOURCE is missing, runc is reached through this program (see [`crate::runc`]).
fn containerd(confined: bool, registry: bool) -> String {
    let runc = if confined { format!("{HOME}/bin/gauntlet-runc") } else { format!("{HOME}/bin/runtime/runc") };
    let registry = if registry { services::HOSTS_CONFIG } else { "" };
    format!(
        r#"version = 3
root = "{HOME}/containerd/root"
state = "{HOME}/containerd/state"
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
  address = "{SOCKET}"
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
    bin_dirs = ["{HOME}/bin/runtime", "{HOME}/bin"]
    conf_dir = "{HOME}/cni"
    use_internal_loopback = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PROBE_IMAGE}"
{registry}"#
    )
}
