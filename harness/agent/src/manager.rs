//! The manager: it enrols agents, takes what they send, and counts it.

mod config;
mod enrolment;
mod receive;
mod registry;
mod serve;

use std::collections::HashMap;
use std::fmt::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use config::{ForceEnrolment, ManagerConfig};

use crate::whole_file::replace_file;
use crate::{
    AgentKey, AgentLog, Error, EventJournal, ReceivedCounter, SentCounter, StopSignal, tls,
};
use registry::AgentRegistry;

/// A manager.
pub struct WazuhManager {
    config: ManagerConfig,
    /// Of the daemon that takes events.
    remoted: AgentLog,
    /// Of the daemon that enrols.
    authd: AgentLog,
    stop: StopSignal,
    registry: Mutex<AgentRegistry>,
    /// The keys as the daemon that takes events last read them, by id.
    keys: Mutex<HashMap<String, AgentKey>>,
    seen: Mutex<HashMap<String, LastSeen>>,
    counters: Mutex<HashMap<String, ReceivedCounter>>,
    journal: Mutex<EventJournal>,
    sender: Mutex<SentCounter>,
    /// The connections that are open.
    open: Mutex<HashMap<u64, TcpStream>>,
    connections: AtomicU64,
    /// What it listens on, until a thread of its own does.
    ears: Mutex<Listeners>,
    ports: [u16; 3],
}

/// Listening sockets: for events on TCP and on UDP, and for enrolment.
#[derive(Debug, Default)]
struct Listeners {
    tcp: Option<TcpListener>,
    udp: Option<UdpSocket>,
    enrol: Option<TcpListener>,
}

/// When an agent was last heard of.
#[derive(Clone, Copy, Debug)]
struct LastSeen {
    at: Instant,
    /// The connection that it has, if it is there and has one.
    on: Option<u64>,
    /// Whether it said that it ends.
    left: bool,
}

impl WazuhManager {
    /// A manager that listens, and does nothing yet.
    ///
    /// # Errors
    /// When a port is taken, or its files cannot be used.
    pub fn new(config: ManagerConfig) -> Result<Arc<Self>, Error> {
        let dir = &config.dir;
        std::fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
        let log = dir.join("ossec.log");
        if config.verify_counters && config.worker_pool > 1 {
            let remoted = AgentLog::new("wazuh-remoted", Some(log));
            remoted.critical(Error::WorkerPool);
            return Err(Error::WorkerPool);
        }
        let tcp = config
            .tcp
            .then(|| bind_listeners(config.port))
            .transpose()?;
        let udp = config
            .udp
            .then(|| UdpSocket::bind(("0.0.0.0", config.port)).map_err(Error::network("listen")));
        let ears = Listeners {
            tcp,
            udp: udp.transpose()?,
            enrol: config.enrol_port.map(bind_listeners).transpose()?,
        };
        let manager = Self {
            remoted: AgentLog::new("wazuh-remoted", Some(log.clone())),
            authd: AgentLog::new("wazuh-authd", Some(log)),
            stop: StopSignal::default(),
            registry: Mutex::new(AgentRegistry::load(dir)?),
            keys: Mutex::new(HashMap::new()),
            seen: Mutex::new(HashMap::new()),
            counters: Mutex::new(HashMap::new()),
            journal: Mutex::new(EventJournal::open(&dir.join("events"))?),
            sender: Mutex::new(SentCounter::open(&dir.join("sender_counter"))?),
            open: Mutex::new(HashMap::new()),
            connections: AtomicU64::new(0),
            ports: ears.ports(),
            ears: Mutex::new(ears),
            config,
        };
        manager.read_keys();
        Ok(Arc::new(manager))
    }

    /// Serves in background threads, until [`WazuhManager::stop`].
    ///
    /// # Errors
    /// When there is something wrong with its certificate.
    pub fn start_serving(self: &Arc<Self>) -> Result<Vec<thread::JoinHandle<()>>, Error> {
        let tls = tls::server_config(
            self.config.certificate.as_ref(),
            self.config.agents.as_deref(),
        )?;
        let mut threads = vec![
            self.spawn_thread(Self::read_keys_now_and_then),
            self.spawn_thread(Self::keep_state),
        ];
        for (port, protocol) in self
            .ports
            .iter()
            .zip(["tcp", "udp"])
            .filter(|(port, _)| **port != 0)
        {
            self.remoted
                .info(format!("Listening on port {port}/{protocol} (secure)."));
        }
        let Listeners { tcp, udp, enrol } = std::mem::take(&mut *lock_content(&self.ears));
        if let Some(listener) = tcp {
            let manager = Arc::clone(self);
            threads.push(thread::spawn(move || manager.serve_tcp(&listener)));
        }
        if let Some(socket) = udp {
            let manager = Arc::clone(self);
            threads.push(thread::spawn(move || manager.serve_udp(&socket)));
        }
        if let Some(listener) = enrol {
            let manager = Arc::clone(self);
            threads.push(thread::spawn(move || {
                manager.serve_enrolment(&listener, &tls)
            }));
        }
        Ok(threads)
    }

    fn spawn_thread(self: &Arc<Self>, work: fn(&Arc<Self>)) -> thread::JoinHandle<()> {
        let manager = Arc::clone(self);
        thread::spawn(move || work(&manager))
    }

    /// Ends every connection and listens no more.
    pub fn stop(&self) {
        self.stop.signal_stop();
        for stream in lock_content(&self.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // A listener looks whether it is told to end when a client connects.
        let [tcp, udp, enrol] = self.ports;
        for port in [tcp, enrol].into_iter().filter(|port| *port != 0) {
            let _ = TcpStream::connect(("127.0.0.1", port));
        }
        if udp != 0 {
            let _ = UdpSocket::bind("127.0.0.1:0")
                .and_then(|socket| socket.send_to(b"", ("127.0.0.1", udp)));
        }
    }

    /// The ports that it listens on: for events on TCP, on UDP, and for enrolment; 0 where it does
    /// not.
    #[must_use]
    pub fn ports(&self) -> [u16; 3] {
        self.ports
    }

    fn key_file(&self) -> PathBuf {
        self.config
            .keys
            .clone()
            .unwrap_or_else(|| self.config.dir.join("client.keys"))
    }

    fn read_keys(&self) {
        match AgentKey::load(&self.key_file()) {
            Ok(all) => {
                *lock_content(&self.keys) =
                    all.into_iter().map(|key| (key.id.clone(), key)).collect()
            }
            Err(fault) => self.remoted.error(fault),
        }
    }

    fn read_keys_now_and_then(self: &Arc<Self>) {
        while !self.stop.stopped_within(self.config.key_update) {
            self.read_keys();
        }
    }

    /// One line an agent: id, name, address, and whether it is connected.
    fn keep_state(self: &Arc<Self>) {
        loop {
            let told = self.stop.stopped_within(Duration::from_millis(200));
            let mut text = String::new();
            let mut keys: Vec<AgentKey> = lock_content(&self.keys).values().cloned().collect();
            keys.sort_by(|a, b| a.id.cmp(&b.id));
            for key in keys {
                let status = self.status(&key.id);
                let _ = writeln!(text, "agent {} {} {} {status}", key.id, key.name, key.ip);
            }
            if let Err(fault) = replace_file(&self.config.dir.join("agents"), &text) {
                self.remoted.error(fault);
            }
            if told {
                return;
            }
        }
    }

    fn status(&self, id: &str) -> &'static str {
        match lock_content(&self.seen).get(id) {
            None => "never-connected",
            Some(seen) if self.is_away(seen).is_none() => "connected",
            Some(_) => "disconnected",
        }
    }

    /// For how long an agent has been disconnected; `None` where it is not. One that only fell
    /// silent counts as connected until its time is up.
    fn is_away(&self, seen: &LastSeen) -> Option<Duration> {
        let silent = seen.at.elapsed();
        (seen.left || silent >= self.config.disconnected_after).then_some(silent)
    }
}

fn bind_listeners(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind(("0.0.0.0", port)).map_err(Error::network("listen"))
}

impl Listeners {
    fn ports(&self) -> [u16; 3] {
        let of = |address: Option<SocketAddr>| address.map_or(0, |address| address.port());
        let tcp = |listener: &Option<TcpListener>| {
            of(listener.as_ref().and_then(|tcp| tcp.local_addr().ok()))
        };
        [
            tcp(&self.tcp),
            of(self.udp.as_ref().and_then(|udp| udp.local_addr().ok())),
            tcp(&self.enrol),
        ]
    }
}

/// A lock's content, even after a thread that held it ended in a panic.
fn lock_content<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
