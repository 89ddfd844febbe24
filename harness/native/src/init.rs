//! The box's first process. It sets up the inside, starts what it is told to, reaps everything, and
//! reports. When its standard input ends, it ends, and the kernel ends every other process of the
//! box.

mod api_gate;
mod child_table;

use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use error_chain::error_chain;
use nix::unistd::sethostname;

use crate::protocol::{self, BoxLayout, FurtherNode, InitOrder, InitReport};
use crate::{Error, net, rootfs, template};
use api_gate::ApiGate;
use child_table::ChildTable;

/// The gates to the API server.
#[derive(Default)]
struct ApiGates {
    first: ApiGate,
    late: ApiGate,
}

/// What the first process waits for.
enum InitEvent {
    Order(Box<InitOrder>),
    Event(InitReport),
    /// The launcher is gone, or wants the box gone.
    End,
}

/// `__init`.
pub(crate) fn run_init() -> io::Result<ExitCode> {
    components::lifeline::arm_lifeline()?;
    let (to_main, words) = channel();
    let child_table = Arc::new(ChildTable::default());
    spawn_reader(to_main.clone());
    obey_orders(&child_table, &words, &to_main, &ApiGates::default())
}

fn obey_orders(
    child_table: &Arc<ChildTable>,
    words: &Receiver<InitEvent>,
    to_main: &Sender<InitEvent>,
    api_gates: &ApiGates,
) -> io::Result<ExitCode> {
    while let Ok(word) = words.recv() {
        match word {
            InitEvent::End => break,
            InitEvent::Event(event) => protocol::send_message(io::stdout(), &event)?,
            InitEvent::Order(order) => follow_order(child_table, *order, to_main, api_gates),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn follow_order(
    child_table: &Arc<ChildTable>,
    order: InitOrder,
    to_main: &Sender<InitEvent>,
    api_gates: &ApiGates,
) {
    let event = match order {
        InitOrder::SetUp(layout) => {
            let outcome = set_up(&layout, api_gates).map(|()| InitReport::SetUp);
            spawn_reaper(Arc::clone(child_table), to_main.clone());
            outcome
        }
        InitOrder::Copy { from, to } => {
            template::copy_without_holes(&from, &to).map(|()| InitReport::Copied)
        }
        InitOrder::ApiGate { open } => {
            api_gates.first.set_open(open);
            return;
        }
        InitOrder::LateApiGate { open } => {
            api_gates.late.set_open(open);
            return;
        }
        InitOrder::Signal(change) => {
            child_table.signal_child(&change);
            return;
        }
        InitOrder::Spawn(process) => {
            let (child_table, to_main) = (Arc::clone(child_table), to_main.clone());
            thread::spawn(move || {
                let tell = |event| drop(to_main.send(InitEvent::Event(event)));
                if let Err(error) = child_table.spawn_child(&process, tell) {
                    tell(InitReport::NotStarted {
                        process: process.name,
                        why: error_chain(&error),
                    });
                }
            });
            return;
        }
    };
    let _ = to_main.send(InitEvent::Event(
        event.unwrap_or_else(|error| InitReport::Failed(error_chain(&error))),
    ));
}

fn set_up(layout: &BoxLayout, api_gates: &ApiGates) -> Result<(), Error> {
    sethostname(&layout.host_name).map_err(Error::system("name the box"))?;
    rootfs::enter_view(layout)?;
    connect_node(&layout.network, layout.dual_stack)?;
    let listen = |gate: &ApiGate, at: SocketAddr| {
        gate.listen_at(at)
            .map_err(Error::system("take the components' connections"))
    };
    for FurtherNode {
        node,
        network,
        gate,
    } in &layout.nodes
    {
        net::run_within(&node.network_path(), || {
            connect_node(network, layout.dual_stack)?;
            listen(&api_gates.first, *gate)
        })?;
    }
    layout
        .api_gates
        .iter()
        .try_for_each(|at| listen(&api_gates.first, *at))?;
    listen(&api_gates.late, layout.late_api_gate)
}

/// Sets the network of a node up, which passes on what is not for itself.
fn connect_node(network: &[String], dual_stack: bool) -> Result<(), Error> {
    let set = |setting: &str, value: &str| {
        let path = Path::new("/proc/sys/net").join(setting);
        std::fs::write(&path, value).map_err(Error::file("write", path))
    };
    if dual_stack {
        // No other host can have its addresses: to ask around first would take a second.
        set("ipv6/conf/default/accept_dad", "0")?;
        set("ipv6/conf/all/forwarding", "1")?;
    }
    net::run_ip(network)?;
    // Nodes are joined by a bridge. Where the host has `br_netfilter`, kube-proxy's rules of the
    // first node would see what passes between the others as well, and a node port would have to
    // leave the bridge where it came in, which no bridge lets happen. Real nodes are joined by
    // something that knows nothing of their rules.
    for tables in ["iptables", "ip6tables", "arptables"]
        .map(|tables| format!("bridge/bridge-nf-call-{tables}"))
    {
        if Path::new("/proc/sys/net").join(&tables).exists() {
            set(&tables, "0")?;
        }
    }
    set("ipv4/ip_forward", "1")
}

fn spawn_reader(to_main: Sender<InitEvent>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let word = match protocol::parse_message(&line) {
                Ok(order) => InitEvent::Order(Box::new(order)),
                Err(why) => InitEvent::Event(InitReport::Failed(format!(
                    "an order that cannot be read: {why}"
                ))),
            };
            if to_main.send(word).is_err() {
                return;
            }
        }
        let _ = to_main.send(InitEvent::End);
    });
}

/// From here on every child is reaped by this thread: nothing else may wait for one.
fn spawn_reaper(child_table: Arc<ChildTable>, to_main: Sender<InitEvent>) {
    thread::spawn(move || {
        loop {
            if let Some(event) = child_table.reap_child()
                && to_main.send(InitEvent::Event(event)).is_err()
            {
                return;
            }
        }
    });
}
