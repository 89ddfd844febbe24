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

pub use config::{Config, Force};

use crate::{Error, Journal, Key, Log, Receiver, Sender, Stop, tls};
use registry::Registry;

/// A manager.
pub struct Manager {
    config: Config,
    /// Of the daemon that takes events.
    remoted: Log,
    /// Of the daemon that enrols.
    authd: Log,
    stop: Stop,
    registry: Mutex<Registry>,
    /// The keys as the daemon that takes events last read them, by id.
    keys: Mutex<HashMap<String, Key>>,
    seen: Mutex<HashMap<String, Seen>>,
    counters: Mutex<HashMap<String, Receiver>>,
    journal: Mutex<Journal>,
    sender: Mutex<Sender>,
    /// The connections that are open.
    open: Mutex<HashMap<u64, TcpStream>>,
    connections: AtomicU64,
    tcp: Option<TcpListener>,
    udp: Option<UdpSocket>,
    enrol: Option<TcpListener>,
}

/// When an agent was last heard of.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    /// The connection that it has, if it is there and has one.
    on: Option<u64>,
    /// Whether it said that it ends.
    left: bool,
}

impl Manager {
    /// A manager that listens, and does nothing yet.
    ///
    /// # Errors
    /// When a port is taken, or its files cannot be used.
    pub fn new(config: Config) -> Result<Arc<Self>, Error> {
        let dir = &config.dir;
        std::fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
        let log = dir.join("ossec.log");
        let tcp = config.tcp.then(|| listen(config.port)).transpose()?;
        let udp = config.udp.then(|| UdpSocket::bind(("0.0.0.0", config.port)).map_err(Error::network("listen")));
        let manager = Self {
            remoted: Log::new("wazuh-remoted", Some(log.clone())),
            authd: Log::new("wazuh-authd", Some(log)),
            stop: Stop::default(),
            registry: Mutex::new(Registry::load(dir)?),
            keys: Mutex::new(HashMap::new()),
            seen: Mutex::new(HashMap::new()),
            counters: Mutex::new(HashMap::new()),
            journal: Mutex::new(Journal::open(&dir.join("events"))?),
            sender: Mutex::new(Sender::open(&dir.join("sender_counter"))?),
            open: Mutex::new(HashMap::new()),
            connections: AtomicU64::new(0),
            tcp,
            udp: udp.transpose()?,
            enrol: config.enrol_port.map(listen).transpose()?,
            config,
        };
        manager.read_keys();
        Ok(Arc::new(manager))
    }

    /// Serves in threads of its own, until [`Manager::stop`].
    ///
    /// # Errors
    /// When there is something wrong with its certificate.
    pub fn start(self: &Arc<Self>) -> Result<Vec<thread::JoinHandle<()>>, Error> {
        let files = self.config.certificate.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        let tls = tls::server(files)?;
        let mut threads = vec![self.thread(Self::read_keys_now_and_then), self.thread(Self::keep_state)];
        threads.extend(self.tcp.as_ref().map(|_| self.thread(|this| this.serve_tcp())));
        threads.extend(self.udp.as_ref().map(|_| self.thread(|this| this.serve_udp())));
        if self.enrol.is_some() {
            let manager = Arc::clone(self);
            threads.push(thread::spawn(move || manager.serve_enrolment(&tls)));
        }
        Ok(threads)
    }

    fn thread(self: &Arc<Self>, work: fn(&Arc<Self>)) -> thread::JoinHandle<()> {
        let manager = Arc::clone(self);
        thread::spawn(move || work(&manager))
    }

    /// Ends every connection and listens no more.
    pub fn stop(&self) {
        self.stop.tell();
        for stream in held(&self.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // A listener looks whether it is told to end when somebody knocks.
        for listener in self.tcp.iter().chain(&self.enrol) {
            if let Ok(address) = listener.local_addr() {
                let _ = TcpStream::connect(at_home(address));
            }
        }
        if let Some(address) = self.udp.as_ref().and_then(|socket| socket.local_addr().ok()) {
            let _ = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"", at_home(address)));
        }
    }

    /// The ports that it listens on: for events on TCP, on UDP, and for enrolment; 0 where it does not.
    #[must_use]
    pub fn ports(&self) -> [u16; 3] {
        let of = |address: Option<SocketAddr>| address.map_or(0, |address| address.port());
        let tcp = |listener: &Option<TcpListener>| of(listener.as_ref().and_then(|tcp| tcp.local_addr().ok()));
        [tcp(&self.tcp), of(self.udp.as_ref().and_then(|udp| udp.local_addr().ok())), tcp(&self.enrol)]
    }

    fn key_file(&self) -> PathBuf {
        self.config.keys.clone().unwrap_or_else(|| self.config.dir.join("client.keys"))
    }

    fn read_keys(&self) {
        match Key::load(&self.key_file()) {
            Ok(all) => *held(&self.keys) = all.into_iter().map(|key| (key.id.clone(), key)).collect(),
            Err(fault) => self.remoted.error(fault),
        }
    }

    fn read_keys_now_and_then(self: &Arc<Self>) {
        while !self.stop.within(self.config.key_update) {
            self.read_keys();
        }
    }

    /// One line an agent: id, name, address, and whether it is connected.
    fn keep_state(self: &Arc<Self>) {
        loop {
            let told = self.stop.within(Duration::from_millis(200));
            let mut text = String::new();
            let mut keys: Vec<Key> = held(&self.keys).values().cloned().collect();
            keys.sort_by(|a, b| a.id.cmp(&b.id));
            for key in keys {
                let status = self.status(&key.id);
                let _ = writeln!(text, "agent {} {} {} {status}", key.id, key.name, key.ip);
            }
            let (path, beside) = (self.config.dir.join("agents"), self.config.dir.join("agents.new"));
            if let Err(fault) = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &path)) {
                self.remoted.error(fault);
            }
            if told {
                return;
            }
        }
    }

    fn status(&self, id: &str) -> &'static str {
        match held(&self.seen).get(id) {
            None => "never-connected",
            Some(seen) if self.is_away(seen).is_none() => "connected",
            Some(_) => "disconnected",
        }
    }

    /// For how long an agent has been disconnected; `None` where it is not. One that only fell silent counts as
    /// connected until its time is up.
    fn is_away(&self, seen: &Seen) -> Option<Duration> {
        let silent = seen.at.elapsed();
        (seen.left || silent >= self.config.disconnected_after).then_some(silent)
    }
}

fn listen(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind(("0.0.0.0", port)).map_err(Error::network("listen"))
}

/// Where this machine reaches itself.
fn at_home(address: SocketAddr) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

/// A lock's content, even after a thread that held it ended in a panic.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
