//! The box's control groups. Version 1 has one tree for each controller, version 2 one for all;
//! some hosts have both, with the controllers in the first. A box has one group of its name in
//! each, with `system` in it for its own processes; the kubelet puts the pods beside that. Each
//! node beyond the first has a group like that in it.
//!
//! Groups are the only thing that the kernel does not take away with the box.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wait::WaitLook;

use crate::node::BoxNode;
use crate::{Error, names};

const GROUP_PREFIX: &str = "gauntlet-";
const LEAF_GROUP: &str = "system";
const WANTED_CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

/// The trees of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostCgroups {
    trees: Vec<CgroupTree>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct CgroupTree {
    mount: PathBuf,
    kind: CgroupVersion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CgroupVersion {
    /// Version 1, `cpuset`: a new group has no processors before they are written.
    Cpuset,
    /// Version 1, any other controller.
    One,
    /// Version 2 with the controllers.
    Unified,
    /// Version 2 beside version 1, without controllers.
    Hybrid,
}

impl HostCgroups {
    pub(crate) fn detect() -> Result<Self, Error> {
        let path = "/proc/self/mountinfo";
        let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
        let host = Self::parse(&text);
        let missing = || Error::System {
            doing: "find the control groups".into(),
            source: io::Error::other(
                "neither version 1 with the memory controller nor version 2 is mounted",
            ),
        };
        if host.trees.is_empty() {
            Err(missing())
        } else {
            Ok(host)
        }
    }

    fn parse(mountinfo: &str) -> Self {
        let mounts: Vec<CgroupMount> = mountinfo.lines().filter_map(CgroupMount::parse).collect();
        let has_v1 = mounts
            .iter()
            .any(|mount| mount.controllers.contains(&"memory"));
        let mut trees: Vec<CgroupTree> = Vec::new();
        for mount in &mounts {
            let kind = match (mount.v2, has_v1) {
                (true, true) => CgroupVersion::Hybrid,
                (true, false) => CgroupVersion::Unified,
                (false, true) if mount.controllers.contains(&"cpuset") => CgroupVersion::Cpuset,
                (false, true) => CgroupVersion::One,
                (false, false) => continue,
            };
            if !trees.iter().any(|tree| tree.mount == mount.path) {
                trees.push(CgroupTree {
                    mount: mount.path.clone(),
                    kind,
                });
            }
        }
        Self { trees }
    }

    /// Whether the controllers are those of version 2.
    pub(crate) fn is_unified(&self) -> bool {
        self.trees
            .iter()
            .any(|tree| tree.kind == CgroupVersion::Unified)
    }

    /// The group of a box, whether it exists or not.
    pub(crate) fn box_group(&self, name: &str) -> BoxCgroup {
        self.rooted_group(&format!("/{GROUP_PREFIX}{name}"))
    }

    /// The group of this name, as the kubelet has it.
    pub(crate) fn rooted_group(&self, root: &str) -> BoxCgroup {
        let folder = root.trim_start_matches('/');
        BoxCgroup {
            dirs: self
                .trees
                .iter()
                .map(|tree| tree.mount.join(folder))
                .collect(),
            kubelet_root: format!("/{folder}"),
        }
    }

    /// Makes the group of a box, and of each of its further nodes one in it.
    pub(crate) fn create_groups(&self, name: &str, nodes: u8) -> Result<(), Error> {
        let group = self.box_group(name);
        let of_nodes = BoxNode::further_nodes(nodes).map(|node| group.of_node(&node.name()));
        for group in [group.clone()].into_iter().chain(of_nodes) {
            for (tree, dir) in self.trees.iter().zip(&group.dirs) {
                tree.create_in_tree(dir)?;
            }
        }
        Ok(())
    }

    /// The names of boxes that have a group here.
    pub(crate) fn box_names(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .trees
            .iter()
            .filter_map(|tree| fs::read_dir(&tree.mount).ok())
            .flat_map(|entries| entries.flatten())
            .filter_map(|entry| {
                Some(
                    entry
                        .file_name()
                        .to_str()?
                        .strip_prefix(GROUP_PREFIX)?
                        .to_owned(),
                )
            })
            .filter(|name| names::check_name(name).is_ok())
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

/// The box that a process belongs to, by the text of its `/proc/PID/cgroup`.
pub(crate) fn box_of_groups(groups: &str) -> Option<&str> {
    let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths
        .flat_map(|path| path.split('/'))
        .find_map(|folder| folder.strip_prefix(GROUP_PREFIX))
}

/// A line of `/proc/self/mountinfo` that mounts control groups.
struct CgroupMount<'a> {
    path: PathBuf,
    v2: bool,
    controllers: Vec<&'a str>,
}

impl<'a> CgroupMount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let path = PathBuf::from(front.split(' ').nth(4)?);
        let mut back = back.split(' ');
        let v2 = match back.next()? {
            "cgroup2" => true,
            "cgroup" => false,
            _ => return None,
        };
        let controllers = back.nth(1).unwrap_or_default().split(',').collect();
        Some(Self {
            path,
            v2,
            controllers,
        })
    }
}

impl CgroupTree {
    fn create_in_tree(&self, dir: &Path) -> Result<(), Error> {
        if self.kind == CgroupVersion::Unified {
            hand_down(&self.mount)?;
        }
        for dir in [dir.to_owned(), dir.join(LEAF_GROUP)] {
            match fs::create_dir(&dir) {
                Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::file("create", dir)(source));
                }
                _ => {}
            }
            if self.kind == CgroupVersion::Cpuset {
                fill_cpuset(&dir)?;
            }
        }
        if self.kind == CgroupVersion::Unified {
            hand_down(dir)
        } else {
            Ok(())
        }
    }
}

/// Gives the controllers to the groups below.
fn hand_down(dir: &Path) -> Result<(), Error> {
    let have =
        fs::read_to_string(dir.join("cgroup.controllers")).map_err(Error::file("read", dir))?;
    let control = dir.join("cgroup.subtree_control");
    for controller in have
        .split_whitespace()
        .filter(|controller| WANTED_CONTROLLERS.contains(controller))
    {
        fs::write(&control, format!("+{controller}")).map_err(Error::file("write", &control))?;
    }
    Ok(())
}

fn fill_cpuset(dir: &Path) -> Result<(), Error> {
    let Some(parent) = dir.parent() else {
        return Ok(());
    };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let value = fs::read_to_string(parent.join(file))
            .map_err(Error::file("read", parent.join(file)))?;
        fs::write(dir.join(file), value.trim()).map_err(Error::file("write", dir.join(file)))?;
    }
    Ok(())
}

/// The group of one box, in every tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BoxCgroup {
    dirs: Vec<PathBuf>,
    /// As the kubelet names it.
    pub(crate) kubelet_root: String,
}

impl BoxCgroup {
    /// The part of a node beyond the first, with its processes and pods.
    pub(crate) fn of_node(&self, node: &str) -> Self {
        Self {
            dirs: self.dirs.iter().map(|dir| dir.join(node)).collect(),
            kubelet_root: format!("{}/{node}", self.kubelet_root),
        }
    }

    /// Its folders.
    pub(crate) fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// Moves the calling process into the group's leaf; what it starts will be there too.
    pub(crate) fn join_leaf(&self) -> Result<(), Error> {
        for dir in &self.dirs {
            let procs = dir.join(LEAF_GROUP).join("cgroup.procs");
            fs::write(&procs, std::process::id().to_string())
                .map_err(Error::file("join", &procs))?;
        }
        Ok(())
    }

    pub(crate) fn exists(&self) -> bool {
        self.dirs.iter().any(|dir| dir.exists())
    }

    /// The processes in it, as this process sees them.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = self
            .dirs
            .iter()
            .flat_map(|dir| group_processes(dir))
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Whether no process at all is in it. Those that this process cannot see count, too: another
    /// container may have boxes under the same tree.
    pub(crate) fn is_empty(&self) -> bool {
        self.dirs.iter().all(|dir| !has_processes(dir))
    }

    /// Whether it was unused for a minute.
    pub(crate) fn is_old(&self) -> bool {
        let age = |dir: &PathBuf| dir.metadata().ok()?.modified().ok()?.elapsed().ok();
        self.dirs
            .iter()
            .filter_map(age)
            .all(|age| age > Duration::from_secs(60))
    }

    /// Ends what is in it, and takes it away.
    pub(crate) fn remove_group(
        &self,
        within: Duration,
        ending: bool,
    ) -> Result<(), wait::TimedOut> {
        wait::wait_until(
            "the box's control groups to go",
            within,
            Duration::from_millis(5),
            || {
                if ending {
                    for pid in self.processes() {
                        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                    }
                }
                for dir in &self.dirs {
                    remove_tree(dir);
                }
                if self.exists() {
                    WaitLook::NotYet(format!("processes {:?}", self.processes()))
                } else {
                    WaitLook::Ready(())
                }
            },
        )
    }
}

fn child_groups(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries
        .flatten()
        .filter(is_dir)
        .map(|entry| entry.path())
        .collect()
}

fn group_processes(dir: &Path) -> Vec<i32> {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<i32> = text
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid > 0)
        .collect();
    pids.extend(
        child_groups(dir)
            .iter()
            .flat_map(|dir| group_processes(dir)),
    );
    pids
}

/// A process of another PID namespace is a `0` in a list of version 2, and not in one of version 1
/// at all: there the number of tasks tells. A group that is gone has none; one that cannot be read
/// may have some.
fn has_processes(dir: &Path) -> bool {
    let tasks = fs::read_to_string(dir.join("pids.current")).unwrap_or_default();
    if tasks.trim().parse().is_ok_and(|tasks: u64| tasks > 0) {
        return true;
    }
    match fs::read_to_string(dir.join("cgroup.procs")) {
        Ok(text) if text.trim().is_empty() => {
            child_groups(dir).iter().any(|dir| has_processes(dir))
        }
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn remove_tree(dir: &Path) {
    for inner in child_groups(dir) {
        remove_tree(&inner);
    }
    let _ = fs::remove_dir(dir);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_another_container_is_seen() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let group = BoxCgroup {
            dirs: vec![dir.path().to_owned()],
            kubelet_root: "/gauntlet-a".into(),
        };
        let inner = dir.path().join("kubepods");
        fs::create_dir(&inner)?;
        fs::write(dir.path().join("cgroup.procs"), "")?;
        fs::write(inner.join("cgroup.procs"), "")?;
        assert!(group.is_empty());

        fs::write(inner.join("cgroup.procs"), "0\n0\n")?;
        assert!(!group.is_empty());
        fs::write(inner.join("cgroup.procs"), "")?;
        fs::write(dir.path().join("pids.current"), "1\n")?;
        assert!(!group.is_empty());
        assert_eq!(group.processes(), Vec::<i32>::new());
        Ok(())
    }

    const V1: &str = "\
30 24 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime shared:7 - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const V2: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn version_1_has_a_tree_for_each_controller() {
        let host = HostCgroups::parse(V1);
        assert!(!host.is_unified());
        let kinds: Vec<CgroupVersion> = host.trees.iter().map(|tree| tree.kind).collect();
        assert_eq!(
            kinds,
            [
                CgroupVersion::Cpuset,
                CgroupVersion::One,
                CgroupVersion::One,
                CgroupVersion::Hybrid
            ]
        );
        let group = host.box_group("a");
        assert_eq!(group.dirs[1], Path::new("/sys/fs/cgroup/memory/gauntlet-a"));
        assert_eq!(group.kubelet_root, "/gauntlet-a");
    }

    #[test]
    fn version_2_has_one_tree() {
        let host = HostCgroups::parse(V2);
        assert!(host.is_unified());
        assert_eq!(
            host.box_group("a").dirs,
            [Path::new("/sys/fs/cgroup/gauntlet-a")]
        );
    }

    #[test]
    fn a_host_without_control_groups_has_no_tree() {
        assert_eq!(
            HostCgroups::parse("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n").trees,
            []
        );
    }

    #[test]
    fn version_2_hands_down_only_what_a_box_needs() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cgroup.controllers"), "hugetlb pids\n").unwrap();
        hand_down(dir.path()).unwrap();
        assert_eq!(
            fs::read_to_string(dir.path().join("cgroup.subtree_control")).unwrap(),
            "+pids"
        );
    }
}
