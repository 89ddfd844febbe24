//! A connection that is kept: a line goes out and back every so often, and on each request for its
//! state.
//!
//! The caller uses an abstract socket, so that nothing has to be written and a pod's network
//! namespace keeps the names apart.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use probe_protocol::{AttemptFacts, AttemptStage, BlockedAttempt, FaultReason, ProbeReport};

use super::attempt::{PROBE_GREETING, connect_stream, first_address, millis};
use super::blocked_at;
use super::target::{TargetScheme, WireTarget};

/// The word before the arguments of a process that holds a connection in the background.
pub(crate) const BEHIND_OPTION: &str = "--behind";

/// Opens a connection in a process that stays, and says how it began.
///
/// # Errors
/// A text that is no TCP target, or a process that cannot be started.
pub(crate) fn hold_connection(
    name: &str,
    text: &str,
    every: Duration,
    patience: Duration,
) -> Result<String, String> {
    require_tcp(text)?;
    let numbers = [every, patience].map(|time| time.as_millis().to_string());
    let mut child = Command::new("/proc/self/exe")
        .args(["hold", BEHIND_OPTION, name, text, &numbers[0], &numbers[1]])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|why| format!("failed to start a process: {why}"))?;
    let mut first = String::new();
    let said = child.stdout.take().ok_or("the process has no output")?;
    BufReader::new(said)
        .read_line(&mut first)
        .map_err(|why| format!("the process gave no answer: {why}"))?;
    if first.is_empty() {
        Err(format!("`{name}` is held already, or could not be"))
    } else {
        Ok(first)
    }
}

fn require_tcp(text: &str) -> Result<WireTarget, String> {
    let target = WireTarget::read(text)?;
    if target.scheme == TargetScheme::Tcp {
        Ok(target)
    } else {
        Err(format!("`{text}` is not tcp: only that is held"))
    }
}

fn socket_path(name: &str) -> Result<SocketAddr, String> {
    let name = format!("gauntlet-held-{name}");
    SocketAddr::from_abstract_name(name).map_err(|why| format!("the name cannot be used: {why}"))
}

/// Asks the process that holds `name` to send a line now, and returns the result.
///
/// # Errors
/// When no process holds it.
pub(crate) fn use_held(name: &str) -> Result<ProbeReport, String> {
    let not_held = |why: std::io::Error| format!("no process holds `{name}`: {why}");
    let mut stream = UnixStream::connect_addr(&socket_path(name)?).map_err(not_held)?;
    let mut said = Vec::new();
    stream.read_to_end(&mut said).map_err(not_held)?;
    ProbeReport::read(&said)
        .map_err(|why| format!("the process that holds `{name}` has ended: {why}"))
}

/// What [`hold`] starts: says how the connection began, and holds it for as long as the container
/// lives.
///
/// # Errors
/// A name that is taken, or a text that is not a target.
pub(crate) fn run_behind(
    name: &str,
    text: &str,
    every: Duration,
    patience: Duration,
    say: impl FnOnce(&ProbeReport),
) -> Result<(), String> {
    let target = require_tcp(text)?;
    let door = UnixListener::bind_addr(&socket_path(name)?)
        .map_err(|why| format!("cannot listen as `{name}`: {why}"))?;
    let (ask, asked) = mpsc::channel::<UnixStream>();
    let mut held = HeldSocket {
        exchanges: 0,
        start: Instant::now(),
        died: None,
    };
    let begun = first_address(&target, patience, &mut AttemptFacts::default())
        .and_then(|to| connect_stream(to, patience));
    let mut begun = begun.and_then(|stream| held.exchange_line(&stream).map(|()| stream));
    say(&held.report(&target, begun.as_ref().err()));
    if begun.is_err() {
        return Ok(());
    }
    thread::spawn(move || answer_request(&door, &ask));
    loop {
        let visitor = match asked.recv_timeout(every) {
            Ok(visitor) => Some(visitor),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        begun = begun.and_then(|stream| held.exchange_line(&stream).map(|()| stream));
        if let (Err(_), None) = (&begun, held.died) {
            held.died = Some(held.start.elapsed());
        }
        if let Some(mut visitor) = visitor {
            let report = held.report(&target, begun.as_ref().err());
            _ = visitor.write_all(report.line().as_bytes());
        }
    }
}

fn answer_request(door: &UnixListener, ask: &Sender<UnixStream>) {
    for visitor in door.incoming().flatten() {
        if ask.send(visitor).is_err() {
            return;
        }
    }
}

struct HeldSocket {
    exchanges: u64,
    start: Instant,
    died: Option<Duration>,
}

impl HeldSocket {
    /// Sends a line and takes the one that comes back.
    fn exchange_line(&mut self, stream: &TcpStream) -> Result<(), BlockedAttempt> {
        let mut writer = stream;
        writer
            .write_all(PROBE_GREETING)
            .map_err(blocked_at(AttemptStage::Request))?;
        let mut said = String::new();
        match BufReader::new(stream.take(4096)).read_line(&mut said) {
            Ok(0) => Err(BlockedAttempt::new(
                AttemptStage::Reply,
                FaultReason::Closed,
            )),
            Ok(_) => {
                self.exchanges += 1;
                Ok(())
            }
            Err(fault) => Err(blocked_at(AttemptStage::Reply)(fault)),
        }
    }

    fn report(&self, target: &WireTarget, blocked: Option<&BlockedAttempt>) -> ProbeReport {
        ProbeReport {
            target: target.text.clone(),
            end: blocked.map_or(Ok(()), |blocked| Err(*blocked)),
            facts: AttemptFacts::default(),
            exchanges: Some(self.exchanges),
            lasts: None,
            ms: millis(self.died.unwrap_or_else(|| self.start.elapsed())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_millis(500);

    /// Holds a connection to this port, and gives what it said first.
    fn begin(name: &'static str, port: u16, every: Duration) -> ProbeReport {
        let (tell, told) = mpsc::channel();
        let target = format!("tcp://127.0.0.1:{port}");
        thread::spawn(move || {
            run_behind(name, &target, every, SOON, |report| {
                tell.send(report.clone()).unwrap()
            })
        });
        told.recv().unwrap()
    }

    #[test]
    fn it_lives_until_the_server_goes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let stream = listener.accept().unwrap().0;
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for _ in 0..3 {
                lines.next().unwrap().unwrap();
                writeln!(&stream, "probe one 127.0.0.1").unwrap();
            }
        });
        assert!(begin("test-goes", port, Duration::from_secs(60)).is_reached());
        assert_eq!(use_held("test-goes").unwrap().exchanges, Some(2));
        assert_eq!(use_held("test-goes").unwrap().exchanges, Some(3));
        let gone = use_held("test-goes").unwrap();
        assert_eq!((gone.is_reached(), gone.exchanges), (false, Some(3)));
        assert!(
            [Some(FaultReason::Closed), Some(FaultReason::Reset)].contains(&gone.reason()),
            "{gone:?}"
        );
    }

    #[test]
    fn what_never_began_says_so() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let said = begin("test-free", free, SOON);
        assert_eq!(said.reason(), Some(FaultReason::Refused));
        assert!(
            use_held("test-nobody")
                .unwrap_err()
                .starts_with("no process holds `test-nobody`")
        );
        assert!(hold_connection("test-udp", "udp://127.0.0.1:1", SOON, SOON).is_err());
    }
}
