//! Inotify instances. The kernel gives each user only a few of them on the whole machine, 128 by
//! default, and a box takes 20. What it cannot get shows late and elsewhere: a kubelet ends with
//! "too many open files". So every box reserves its instances before it starts, and a start waits
//! until there are enough.
//!
//! A reservation is a socket with an abstract name, which all programs of the machine see and
//! which the kernel takes away with its holder, also after SIGKILL.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use nix::unistd::geteuid;

use crate::cgroup;

/// The command that raises the kernel's limit.
pub(crate) const RAISE_LIMIT: &str = "sysctl -w fs.inotify.max_user_instances=1024";

/// How programs say it that get no instance.
const INSTANCES_EXHAUSTED: &str = "too many open files";

/// How many are left to programs that start meanwhile.
const SPARED_INSTANCES: usize = 4;

/// How many holders a message names.
const MOST_NAMED: usize = 8;

/// Begins the name of each reservation: `gauntlet-inotify/BOX/NUMBER`.
const RESERVATION_PREFIX: &str = "gauntlet-inotify/";

/// Held by a program that decides whether there are enough, until they are reserved.
const GUARD_SOCKET: &str = "gauntlet-inotify";

/// How many instances a box with this many nodes takes. Counted with Kubernetes 1.36: the API
/// server 6, the controller manager 5; on each node the kubelet 6, containerd 2, kube-proxy 1.
#[must_use]
pub fn instances_of_box(nodes: u8) -> usize {
    match nodes {
        0 => 6,
        _ => 11 + 9 * usize::from(nodes),
    }
}

/// How many instances all boxes of this user can have at a time, if nothing else holds any; `None`
/// where the kernel does not say its limit.
#[must_use]
pub fn instances_for_boxes() -> Option<usize> {
    read_limit().map(|limit| limit.saturating_sub(SPARED_INSTANCES))
}

fn read_limit() -> Option<usize> {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").ok()?;
    limit.trim().parse().ok()
}

/// Whether a program's complaint may be one about these instances.
pub(crate) fn is_exhausted(complaint: &str) -> bool {
    complaint.contains(INSTANCES_EXHAUSTED)
}

/// Who holds this user's instances.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct InotifyUse {
    limit: usize,
    boxes: BTreeMap<String, BoxInstances>,
    programs: BTreeMap<String, usize>,
}

/// The instances of one box.
#[derive(Debug, Default, PartialEq, Eq)]
struct BoxInstances {
    reserved: usize,
    open: usize,
}

impl BoxInstances {
    fn held(&self) -> usize {
        self.reserved.max(self.open)
    }
}

impl InotifyUse {
    /// As it is now; nothing where the kernel does not say its limit.
    pub(crate) fn read_machine() -> Option<Self> {
        let mut all = Self::read_open()?;
        all.read_reservations();
        Some(all)
    }

    fn read_reservations(&mut self) {
        self.add_reservations(&fs::read_to_string("/proc/net/unix").unwrap_or_default());
    }

    /// What programs have open, without what boxes have reserved.
    fn read_open() -> Option<Self> {
        let mut all = Self {
            limit: read_limit()?,
            ..Self::default()
        };
        let user = geteuid().as_raw();
        for process in fs::read_dir("/proc").ok()?.flatten() {
            let dir = process.path();
            if dir.metadata().is_ok_and(|it| it.uid() == user) {
                all.add_process(&dir);
            }
        }
        Some(all)
    }

    /// How many a new box can have.
    pub(crate) fn free_instances(&self) -> usize {
        let boxes = self.boxes.values().map(BoxInstances::held);
        let held: usize = boxes.chain(self.programs.values().copied()).sum();
        self.limit.saturating_sub(SPARED_INSTANCES + held)
    }

    /// Whether a box that takes this many would find them if no other program held any.
    pub(crate) fn could_ever_hold(&self, wanted: usize) -> bool {
        wanted + SPARED_INSTANCES <= self.limit
    }

    fn add_reservations(&mut self, sockets: &str) {
        let names = sockets.lines().filter_map(|line| line.split('@').nth(1));
        for name in names.filter_map(|name| name.strip_prefix(RESERVATION_PREFIX)) {
            if let Some((name, number)) = name.split_once('/')
                && let Ok(number) = number.parse()
            {
                self.boxes.entry(name.to_owned()).or_default().reserved = number;
            }
        }
    }

    fn add_process(&mut self, dir: &Path) {
        let open = open_instances(&dir.join("fd"));
        if open == 0 {
            return;
        }
        let groups = fs::read_to_string(dir.join("cgroup")).unwrap_or_default();
        match cgroup::box_of_groups(&groups) {
            Some(name) => self.boxes.entry(name.to_owned()).or_default().open += open,
            None => {
                let program = fs::read_to_string(dir.join("comm")).unwrap_or_default();
                *self.programs.entry(program.trim().to_owned()).or_default() += open;
            }
        }
    }
}

impl fmt::Display for InotifyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} are free",
            self.free_instances(),
            self.limit.saturating_sub(SPARED_INSTANCES)
        )?;
        let boxes = self.boxes.iter();
        let boxes = boxes.map(|(name, it)| (format!("box `{name}`"), it.held()));
        let programs = self.programs.iter();
        let programs = programs.map(|(name, open)| (format!("`{name}`"), *open));
        let mut holders: Vec<_> = boxes.chain(programs).collect();
        holders.sort_by_key(|(_, held)| std::cmp::Reverse(*held));
        for (index, (name, held)) in holders.iter().take(MOST_NAMED).enumerate() {
            let before = if index == 0 { "; held by " } else { ", " };
            write!(f, "{before}{name} ({held})")?;
        }
        match holders.len().saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

fn open_instances(fds: &Path) -> usize {
    let Ok(entries) = fs::read_dir(fds) else {
        return 0;
    };
    let links = entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter(|link| link.as_os_str() == "anon_inode:inotify")
        .count()
}

/// Instances that are promised to one box, until this is dropped or its process dies.
#[derive(Debug)]
pub(crate) struct InotifyReservation {
    _socket: UnixDatagram,
}

/// What one look for instances shows.
#[derive(Debug)]
pub(crate) enum InotifyLook {
    /// They are the box's. Nothing is reserved where the kernel does not say its limit.
    Reserved(Option<InotifyReservation>),
    /// Not yet: this is in the way.
    Held(String),
    /// Another program reserves some at this moment.
    Busy,
    /// The kernel's limit is too low for such a box alone.
    BeyondLimit(String),
}

impl InotifyReservation {
    /// Reserves this many for a box, if they are free. What is open is counted before the guard is
    /// taken, so that nobody waits for that: a box that has started meanwhile has reserved its own.
    pub(crate) fn try_reserve(name: &str, wanted: usize) -> io::Result<InotifyLook> {
        let Some(mut held) = InotifyUse::read_open() else {
            return Ok(InotifyLook::Reserved(None));
        };
        let Some(_guard) = bind_name(GUARD_SOCKET)? else {
            return Ok(InotifyLook::Busy);
        };
        held.read_reservations();
        if !held.could_ever_hold(wanted) {
            return Ok(InotifyLook::BeyondLimit(held.to_string()));
        }
        if held.free_instances() < wanted {
            return Ok(InotifyLook::Held(held.to_string()));
        }
        Ok(
            match bind_name(&format!("{RESERVATION_PREFIX}{name}/{wanted}"))? {
                Some(socket) => InotifyLook::Reserved(Some(Self { _socket: socket })),
                None => {
                    InotifyLook::Held(format!("a box `{name}` of another cache has reserved some"))
                }
            },
        )
    }
}

/// Takes an abstract name; nothing where another process has it.
fn bind_name(name: &str) -> io::Result<Option<UnixDatagram>> {
    match UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?) {
        Ok(socket) => Ok(Some(socket)),
        Err(why) if why.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(limit: usize, sockets: &str) -> InotifyUse {
        let mut all = InotifyUse {
            limit,
            ..InotifyUse::default()
        };
        all.add_reservations(sockets);
        all
    }

    #[test]
    fn a_box_counts_with_what_it_reserved_or_has_open() {
        let mut all = held(
            128,
            "Num RefCount Protocol\n\
             0000: 00000002 00000000 00000000 0002 01 20 @gauntlet-inotify/a/20\n\
             0000: 00000002 00000000 00000000 0002 01 21 @gauntlet-inotify\n\
             0000: 00000002 00000000 00000000 0001 01 22 /run/systemd/notify\n\
             0000: 00000002 00000000 00000000 0002 01 23 @gauntlet-inotify/b-1/38\n",
        );
        assert_eq!(all.free_instances(), 128 - SPARED_INSTANCES - 58);
        all.boxes.get_mut("a").unwrap().open = 6;
        assert_eq!(all.free_instances(), 128 - SPARED_INSTANCES - 58);
        all.boxes.get_mut("a").unwrap().open = 23;
        all.programs.insert("systemd".into(), 5);
        assert_eq!(all.free_instances(), 128 - SPARED_INSTANCES - 66);
        assert_eq!(
            all.to_string(),
            "58 of 124 are free; held by box `b-1` (38), box `a` (23), `systemd` (5)"
        );
    }

    #[test]
    fn a_limit_below_a_boxs_needs_is_told_from_one_that_is_exhausted() {
        let full = held(24, "@gauntlet-inotify/a/20");
        assert_eq!(full.free_instances(), 0);
        assert!(full.could_ever_hold(instances_of_box(1)));
        assert!(!full.could_ever_hold(instances_of_box(2)));
    }

    #[test]
    fn a_reservation_is_seen_by_others_until_it_is_dropped() {
        let name = format!("test-{}", std::process::id());
        let reserved = |all: &InotifyUse| all.boxes.get(&name).map(BoxInstances::held);
        let socket = bind_name(&format!("{RESERVATION_PREFIX}{name}/7")).unwrap();
        assert!(socket.is_some());
        assert!(
            bind_name(&format!("{RESERVATION_PREFIX}{name}/7"))
                .unwrap()
                .is_none()
        );
        let seen = InotifyUse::read_machine().unwrap();
        assert_eq!(reserved(&seen), Some(7));
        drop(socket);
        assert_eq!(reserved(&InotifyUse::read_machine().unwrap()), None);
    }

    #[test]
    fn what_is_open_is_counted_for_the_program_that_has_it() {
        use nix::sys::inotify::{InitFlags, Inotify};
        let open: Vec<_> = (0..3)
            .map(|_| Inotify::init(InitFlags::empty()).unwrap())
            .collect();
        assert!(open_instances(Path::new("/proc/self/fd")) >= open.len());
        let mut all = held(128, "");
        all.add_process(Path::new("/proc/self"));
        let programs = all.programs.values().sum::<usize>();
        let boxes = all.boxes.values().map(|it| it.open).sum::<usize>();
        assert!(programs + boxes >= open.len(), "{all}");
    }
}
