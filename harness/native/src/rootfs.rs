//! The box's own view of the file system: the host's, under a layer in memory, so that nothing a
//! box writes, a pod's `hostPath` included, reaches the host; with fresh `/proc`, `/sys` and
//! `/run`.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::Error;
use crate::node::BoxNode;
use crate::places::BOX_HOME;
use crate::process::BoxFile;
use crate::protocol::{BindMount, BoxLayout};
use crate::{self_exe, template};

/// Folders of the host that may be separate file systems, which the layer over `/` would not show.
const OFTEN_APART: [&str; 6] = ["/usr", "/var", "/etc", "/opt", "/home", "/root"];

/// Makes the view and moves this process into it. The caller has its own mount namespace.
pub(crate) fn enter_view(layout: &BoxLayout) -> Result<(), Error> {
    apply_change("/", MsFlags::MS_REC | MsFlags::MS_PRIVATE)?;
    let stage = &layout.stage;
    fresh_mount("tmpfs", stage, "mode=755")?;
    let root = layer_folder(stage, Path::new("/"), "root")?;
    for path in OFTEN_APART
        .into_iter()
        .filter(|path| is_mount(Path::new(path)))
    {
        let over = layer_folder(stage, Path::new(path), &path.replace('/', "-"))?;
        bind_path(&over, &root.join(&path[1..]), MsFlags::empty())?;
    }
    let run = stage.join("run");
    make_dir(&run)?;
    furnish_root(layout, &run.join("gauntlet"))?;
    make_dir(&root.join("run"))?;
    bind_path(&run, &root.join("run"), MsFlags::MS_REC)?;
    kernel_views(&root)?;
    change_root(&root)?;
    layout.outside.iter().try_for_each(replace_file)
}

/// Writes a file in the box's own view; what the host has there stays as it is.
fn replace_file(file: &BoxFile) -> Result<(), Error> {
    let BoxFile { path, text } = file;
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    let _ = fs::remove_file(path);
    fs::write(path, text).map_err(Error::file("write", path))
}

/// What is ours, in memory.
fn furnish_root(layout: &BoxLayout, home: &Path) -> Result<(), Error> {
    for path in ["bin", "data", "logs", "tmp", "pki", "cni", "images"] {
        make_dir(&home.join(path))?;
    }
    // A kubelet looks its folder up among the mounts by device, and ends if it picks one of
    // containerd's that is gone by then: its device is not shared.
    for node in [BoxNode::FIRST]
        .into_iter()
        .chain(layout.nodes.iter().map(|further| further.node))
    {
        let kubelet = home.join(node.own_name("kubelet"));
        make_dir(&kubelet)?;
        fresh_mount("tmpfs", &kubelet, "mode=750")?;
        // A pod in its own user namespace (`hostUsers: false`) passes through here to its root.
        // containerd would make the folder for itself alone.
        make_dir(&home.join(node.own_name("containerd")).join("state"))?;
    }
    for BindMount {
        from,
        to,
        read_only,
    } in &layout.binds
    {
        let to = home.join(to);
        place_for(from, &to)?;
        bind_path(from, &to, MsFlags::empty())?;
        if *read_only {
            keep_as_it_is(&to)?;
        }
    }
    for to in layout.own_programs.iter().map(|to| home.join(to)) {
        empty_folder(&to)?;
        self_exe::show_at(&to)?;
    }
    for (from, to) in &layout.copies {
        template::copy_without_holes(from, &home.join(to))?;
    }
    layout
        .files
        .iter()
        .try_for_each(|file| write_file(home, file))
}

/// Nothing is written through this mount.
pub(crate) fn keep_as_it_is(at: &Path) -> Result<(), Error> {
    apply_change(
        at,
        MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY,
    )
}

fn place_for(from: &Path, to: &Path) -> Result<(), Error> {
    if from.is_dir() {
        return make_dir(to);
    }
    empty_folder(to)
}

fn empty_folder(file: &Path) -> Result<(), Error> {
    fs::write(file, "").map_err(Error::file("create", file))
}

fn write_file(home: &Path, file: &BoxFile) -> Result<(), Error> {
    let path = home.join(&file.path);
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut open| open.write_all(file.text.as_bytes()))
        .map_err(Error::file("write", path))
}

/// A layer in memory over a folder of the host.
fn layer_folder(stage: &Path, lower: &Path, name: &str) -> Result<PathBuf, Error> {
    let [upper, work, merged] =
        ["upper", "work", "merged"].map(|part| stage.join(format!("{name}.{part}")));
    for path in [&upper, &work, &merged] {
        make_dir(path)?;
    }
    let mode = fs::metadata(lower)
        .map_err(Error::file("read", lower))?
        .permissions()
        .mode();
    fs::set_permissions(&upper, Permissions::from_mode(mode))
        .map_err(Error::file("create", &upper))?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    fresh_mount("overlay", &merged, &options)?;
    Ok(merged)
}

/// The kernel's own file systems, as seen from the box's namespaces.
fn kernel_views(root: &Path) -> Result<(), Error> {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for kind in ["proc", "sysfs"] {
        let at = root.join(if kind == "proc" { "proc" } else { "sys" });
        mount(Some(kind), &at, Some(kind), quiet, None::<&str>)
            .map_err(Error::system(format!("mount {kind}")))?;
    }
    bind_path(
        Path::new("/sys/fs/cgroup"),
        &root.join("sys/fs/cgroup"),
        MsFlags::MS_REC,
    )?;
    bind_path(Path::new("/dev"), &root.join("dev"), MsFlags::MS_REC)?;
    // What a pod with `hostIPC` shares is files in here: the host's would be shared as well.
    for (kind, at, options) in [
        ("tmpfs", "dev/shm", "mode=1777"),
        ("mqueue", "dev/mqueue", ""),
    ] {
        let at = root.join(at);
        if at.is_dir() {
            fresh_mount(kind, &at, options)?;
        }
    }
    Ok(())
}

/// Leaves the old root behind; from then on mounts are shared among the box's own namespaces, as
/// pods expect.
fn change_root(root: &Path) -> Result<(), Error> {
    chdir(root).map_err(Error::system("enter the box's root"))?;
    pivot_root(".", ".").map_err(Error::system("change the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(Error::system("leave the host's root"))?;
    chdir("/").map_err(Error::system("enter the box's root"))?;
    apply_change("/", MsFlags::MS_REC | MsFlags::MS_SHARED)
}

/// A path below [`BOX_HOME`].
pub(crate) fn at_home(path: &Path) -> PathBuf {
    Path::new(BOX_HOME).join(path)
}

fn is_mount(path: &Path) -> bool {
    let Ok(text) = fs::read_to_string("/proc/self/mountinfo") else {
        return false;
    };
    text.lines().any(|line| {
        line.split(' ')
            .nth(4)
            .is_some_and(|at| Path::new(at) == path)
    })
}

fn make_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::file("create", path))
}

fn fresh_mount(kind: &str, at: &Path, options: &str) -> Result<(), Error> {
    mount(Some(kind), at, Some(kind), MsFlags::empty(), Some(options))
        .map_err(Error::system(format!("mount {kind} on `{}`", at.display())))
}

pub(crate) fn bind_path(from: &Path, to: &Path, more: MsFlags) -> Result<(), Error> {
    mount(
        Some(from),
        to,
        None::<&str>,
        MsFlags::MS_BIND | more,
        None::<&str>,
    )
    .map_err(Error::system(format!(
        "show `{}` in the box",
        from.display()
    )))
}

fn apply_change(at: impl AsRef<Path>, flags: MsFlags) -> Result<(), Error> {
    let at = at.as_ref();
    mount(None::<&str>, at, None::<&str>, flags, None::<&str>).map_err(Error::system(format!(
        "change the mount `{}`",
        at.display()
    )))
}
