//! Where the kernel keeps a container's processes, without asking a kubelet or the API server.

use std::fs;
use std::path::{Path, PathBuf};

use crate::RunningBox;

/// How deep the group of a pod may lie below that of its box: `node-2/kubepods/burstable/podUID`.
const CGROUP_DEPTH: u8 = 4;

impl RunningBox {
    /// Whether a container has a process, as the kernel has it, by its id and its pod's; nothing
    /// where the pod has no control group.
    #[must_use]
    pub fn container_lives(&self, pod: &str, container: &str) -> Option<bool> {
        let group = self.container_group(pod, container)?;
        Some(!list_processes(&group).is_empty())
    }

    /// Where the control group of a container is, or was, in its pod's.
    pub(crate) fn container_group(&self, pod: &str, container: &str) -> Option<PathBuf> {
        let is_plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !is_plain(pod) || !is_plain(container) {
            return None;
        }
        let folder = format!("pod{pod}");
        let mut roots = self.cgroups.iter();
        roots
            .find_map(|root| find_folder(root, &folder, CGROUP_DEPTH))
            .map(|group| group.join(container))
    }
}

/// The folder of this name below another.
fn find_folder(below: &Path, name: &str, depth: u8) -> Option<PathBuf> {
    let found = below.join(name);
    if found.is_dir() {
        return Some(found);
    }
    let folders = fs::read_dir(below).ok().filter(|_| depth > 1)?.flatten();
    let mut folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.find_map(|entry| find_folder(&entry.path(), name, depth - 1))
}

/// The processes of a control group; none where it is gone.
pub(crate) fn list_processes(group: &Path) -> Vec<i32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_group_is_found_on_every_node() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "kubepods/podone",
            "kubepods/besteffort/podtwo",
            "node-2/kubepods/burstable/podthree",
            "system",
        ] {
            fs::create_dir_all(root.path().join(path).join("c1")).unwrap();
        }
        for (pod, wanted) in [
            ("podone", Some("kubepods/podone")),
            ("podtwo", Some("kubepods/besteffort/podtwo")),
            ("podthree", Some("node-2/kubepods/burstable/podthree")),
            ("podfour", None),
        ] {
            assert_eq!(
                find_folder(root.path(), pod, CGROUP_DEPTH),
                wanted.map(|path| root.path().join(path)),
                "{pod}"
            );
        }
        fs::write(root.path().join("system/cgroup.procs"), "7\n12\n").unwrap();
        assert_eq!(list_processes(&root.path().join("system")), [7, 12]);
        assert!(list_processes(&root.path().join("gone")).is_empty());
    }
}
