//! A connection that is kept: a line goes out and back every so often, and whenever somebody asks how it is.
//!
//! Who asks does so through an abstract socket, so that nothing has to be written and a pod's network namespace keeps
//! the names apart.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::attempt::{GREETING, address, connect};
use super::target::{Scheme, Target};
use super::{At, Fault, Reason};

/// The word before the arguments of a process that holds a connection in the background.
pub(crate) const BEHIND: &str = "--behind";

/// Opens a connection in a process that stays, and says how it began.
///
/// # Errors
/// A text that is no TCP target, or a process that cannot be started.
pub(crate) fn hold(
    name: &str,
    text: &str,
    every: Duration,
    patience: Duration,
) -> Result<String, String> {
    tcp(text)?;
    let numbers = [every, patience].map(|time| time.as_millis().to_string());
    let mut child = Command::new("/proc/self/exe")
        .args(["hold", BEHIND, name, text, &numbers[0], &numbers[1]])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|why| format!("failed to start a process: {why}"))?;
    let mut first = String::new();
    let said = child.stdout.take().ok_or("the process has no output")?;
    BufReader::new(said)
        .read_line(&mut first)
        .map_err(|why| format!("nothing came of it: {why}"))?;
    if first.is_empty() {
        Err(format!("`{name}` is held already, or could not be"))
    } else {
        Ok(first)
    }
}

fn tcp(text: &str) -> Result<Target, String> {
    let target = Target::read(text)?;
    if target.scheme == Scheme::Tcp {
        Ok(target)
    } else {
        Err(format!("`{text}` is not tcp: only that is held"))
    }
}

fn socket(name: &str) -> Result<SocketAddr, String> {
    let name = format!("gauntlet-held-{name}");
    SocketAddr::from_abstract_name(name).map_err(|why| format!("the name cannot be used: {why}"))
}

/// Asks the process that holds `name` to send a line now, and gives what came of it.
///
/// # Errors
/// When nobody holds it.
pub(crate) fn held(name: &str) -> Result<String, String> {
    let nobody = |why: std::io::Error| format!("nobody holds `{name}`: {why}");
    let mut stream = UnixStream::connect_addr(&socket(name)?).map_err(nobody)?;
    let mut said = String::new();
    stream.read_to_string(&mut said).map_err(nobody)?;
    Ok(said)
}

/// What [`hold`] starts: says how the connection began, and holds it for as long as the container lives.
///
/// # Errors
/// A name that is taken, or a text that is no target.
pub(crate) fn behind(
    name: &str,
    text: &str,
    every: Duration,
    patience: Duration,
    say: impl FnOnce(&str),
) -> Result<(), String> {
    let target = tcp(text)?;
    let door = UnixListener::bind_addr(&socket(name)?)
        .map_err(|why| format!("cannot listen as `{name}`: {why}"))?;
    let (ask, asked) = mpsc::channel::<UnixStream>();
    let mut held = Held {
        exchanges: 0,
        start: Instant::now(),
        died: None,
    };
    let mut facts = Map::new();
    let begun = address(&target, patience, &mut facts).and_then(|to| connect(to, patience));
    let mut begun = begun.and_then(|stream| held.exchange(&stream).map(|()| stream));
    say(&held.line(&target, begun.as_ref().err()));
    if begun.is_err() {
        return Ok(());
    }
    thread::spawn(move || answer(&door, &ask));
    loop {
        let visitor = match asked.recv_timeout(every) {
            Ok(visitor) => Some(visitor),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        begun = begun.and_then(|stream| held.exchange(&stream).map(|()| stream));
        if let (Err(_), None) = (&begun, held.died) {
            held.died = Some(held.start.elapsed());
        }
        if let Some(mut visitor) = visitor {
            _ = writeln!(visitor, "{}", held.line(&target, begun.as_ref().err()));
        }
    }
}

fn answer(door: &UnixListener, ask: &Sender<UnixStream>) {
    for visitor in door.incoming().flatten() {
        if ask.send(visitor).is_err() {
            return;
        }
    }
}

struct Held {
    exchanges: u64,
    start: Instant,
    died: Option<Duration>,
}

impl Held {
    /// Sends a line and takes the one that comes back.
    fn exchange(&mut self, stream: &TcpStream) -> Result<(), Fault> {
        let mut writer = stream;
        writer.write_all(GREETING).map_err(Fault::at(At::Request))?;
        let mut said = String::new();
        match BufReader::new(stream.take(4096)).read_line(&mut said) {
            Ok(0) => Err(Fault::new(At::Reply, Reason::Closed)),
            Ok(_) => {
                self.exchanges += 1;
                Ok(())
            }
            Err(fault) => Err(Fault::at(At::Reply)(fault)),
        }
    }

    fn line(&self, target: &Target, fault: Option<&Fault>) -> String {
        let mut line = Map::new();
        line.insert("target".into(), target.text.as_str().into());
        line.insert("reached".into(), fault.is_none().into());
        if let Some(fault) = fault {
            line.insert("at".into(), fault.at.word().into());
            line.insert("reason".into(), fault.reason.word().into());
        }
        line.insert("exchanges".into(), self.exchanges.into());
        let lived = self.died.unwrap_or_else(|| self.start.elapsed());
        line.insert("ms".into(), json!(lived.as_micros() as f64 / 1000.0));
        Value::Object(line).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_millis(500);

    /// Holds a connection to this port, and gives what it said first.
    fn begin(name: &'static str, port: u16, every: Duration) -> Value {
        let (tell, told) = mpsc::channel();
        let target = format!("tcp://127.0.0.1:{port}");
        thread::spawn(move || {
            behind(name, &target, every, SOON, |line| {
                tell.send(line.to_owned()).unwrap()
            })
        });
        serde_json::from_str(&told.recv().unwrap()).unwrap()
    }

    fn asked(name: &str) -> Value {
        serde_json::from_str(&held(name).unwrap()).unwrap()
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
        assert_eq!(
            begin("test-goes", port, Duration::from_secs(60))["reached"],
            true
        );
        assert_eq!(asked("test-goes")["exchanges"], 2);
        assert_eq!(asked("test-goes")["exchanges"], 3);
        let gone = asked("test-goes");
        assert_eq!(
            (&gone["reached"], &gone["exchanges"]),
            (&json!(false), &json!(3)),
            "{gone}"
        );
        assert!(
            ["closed", "reset"].contains(&gone["reason"].as_str().unwrap()),
            "{gone}"
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
        assert_eq!(
            (&said["reached"], &said["reason"]),
            (&json!(false), &json!("refused"))
        );
        assert!(
            held("test-nobody")
                .unwrap_err()
                .starts_with("nobody holds `test-nobody`")
        );
        assert!(hold("test-udp", "udp://127.0.0.1:1", SOON, SOON).is_err());
    }
}
