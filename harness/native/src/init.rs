//! The box's first process. It sets up the inside, starts what it is told to, reaps everything, and reports. When its
//! standard input ends, it ends, and the kernel ends every other process of the box.

mod child_table;
mod door;

use std::io::{self, BufRead};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::unistd::sethostname;

use crate::error::chain;
use crate::protocol::{self, Event, Further, Layout, Order};
use crate::{Error, net, rootfs, seed};
use child_table::ChildTable;
use door::ApiGate;

/// The doors to the API server.
#[derive(Default)]
struct Doors {
    first: ApiGate,
    late: ApiGate,
}

/// What the first process waits for.
enum Word {
    Order(Box<Order>),
    Event(Event),
    /// The launcher is gone, or wants the box gone.
    End,
}

/// `__init`.
pub(crate) fn run() -> io::Result<ExitCode> {
    components::lifeline::arm()?;
    let (to_main, words) = channel();
    let child_table = Arc::new(ChildTable::default());
    spawn_reader(to_main.clone());
    obey(&child_table, &words, &to_main, &Doors::default())
}

fn obey(
    child_table: &Arc<ChildTable>,
    words: &Receiver<Word>,
    to_main: &Sender<Word>,
    doors: &Doors,
) -> io::Result<ExitCode> {
    while let Ok(word) = words.recv() {
        match word {
            Word::End => break,
            Word::Event(event) => protocol::send(io::stdout(), &event)?,
            Word::Order(order) => follow(child_table, *order, to_main, doors),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn follow(child_table: &Arc<ChildTable>, order: Order, to_main: &Sender<Word>, doors: &Doors) {
    let event = match order {
        Order::SetUp(layout) => {
            let outcome = set_up(&layout, doors).map(|()| Event::SetUp);
            spawn_reaper(Arc::clone(child_table), to_main.clone());
            outcome
        }
        Order::Copy { from, to } => seed::copy_without_holes(&from, &to).map(|()| Event::Copied),
        Order::ApiGate { open } => {
            doors.first.set(open);
            return;
        }
        Order::LateApiGate { open } => {
            doors.late.set(open);
            return;
        }
        Order::Signal { process, what } => {
            child_table.signal(&process, what);
            return;
        }
        Order::Spawn(process) => {
            let (child_table, to_main) = (Arc::clone(child_table), to_main.clone());
            thread::spawn(move || {
                let tell = |event| drop(to_main.send(Word::Event(event)));
                if let Err(error) = child_table.spawn(&process, tell) {
                    tell(Event::NotStarted {
                        process: process.name,
                        why: chain(&error),
                    });
                }
            });
            return;
        }
    };
    let _ = to_main.send(Word::Event(
        event.unwrap_or_else(|error| Event::Failed(chain(&error))),
    ));
}

fn set_up(layout: &Layout, doors: &Doors) -> Result<(), Error> {
    sethostname(&layout.host_name).map_err(Error::system("name the box"))?;
    rootfs::enter(layout)?;
    connect(&layout.network, layout.dual_stack)?;
    for Further { node, network } in &layout.nodes {
        net::within(&node.network(), || connect(network, layout.dual_stack))?;
    }
    let hung = layout.doors.iter().try_for_each(|at| doors.first.hang(*at));
    let hung = hung.and_then(|()| doors.late.hang(layout.late_door));
    hung.map_err(Error::system("take the components' connections"))
}

/// Sets the network of a node up, which passes on what is not for itself.
fn connect(network: &[String], dual_stack: bool) -> Result<(), Error> {
    let set = |setting: &str, value: &str| {
        let path = Path::new("/proc/sys/net").join(setting);
        std::fs::write(&path, value).map_err(Error::file("write", path))
    };
    if dual_stack {
        // Nobody else can have its addresses: to ask around first would take a second.
        set("ipv6/conf/default/accept_dad", "0")?;
        set("ipv6/conf/all/forwarding", "1")?;
    }
    net::ip(network)?;
    // Nodes are joined by a bridge. Where the host has `br_netfilter`, kube-proxy's rules of the first node would see what
    // passes between the others as well, and a node port would have to leave the bridge where it came in, which no bridge
    // lets happen. Real nodes are joined by something that knows nothing of their rules.
    for tables in ["iptables", "ip6tables", "arptables"]
        .map(|tables| format!("bridge/bridge-nf-call-{tables}"))
    {
        if Path::new("/proc/sys/net").join(&tables).exists() {
            set(&tables, "0")?;
        }
    }
    set("ipv4/ip_forward", "1")
}

fn spawn_reader(to_main: Sender<Word>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let word = match protocol::parse(&line) {
                Ok(order) => Word::Order(Box::new(order)),
                Err(why) => Word::Event(Event::Failed(format!(
                    "an order that cannot be read: {why}"
                ))),
            };
            if to_main.send(word).is_err() {
                return;
            }
        }
        let _ = to_main.send(Word::End);
    });
}

/// From here on every child is reaped by this thread: nothing else may wait for one.
fn spawn_reaper(child_table: Arc<ChildTable>, to_main: Sender<Word>) {
    thread::spawn(move || {
        loop {
            if let Some(event) = child_table.reap()
                && to_main.send(Word::Event(event)).is_err()
            {
                return;
            }
        }
    });
}
