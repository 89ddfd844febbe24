//! The network plugin (CNI 1.0.0): the last of those that make a pod's network. It tells the node's
//! enforcer which addresses the pod has got, and lets the pod start once a table is in force that
//! was made with it: so before its first packet. Where no enforcer answers, no pod starts.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wait::WaitLook;

use super::WatchEvent;
use crate::Error;

/// The name under which this program is the plugin, and the plugin's type.
pub const PROGRAM_NAME: &str = "gauntlet-network-policy";

const CNI_VERSION: &str = "1.0.0";
const ENFORCED_WITHIN: Duration = Duration::from_secs(10);

/// CNI's code for what may go better at another time.
const TRY_AGAIN: u8 = 11;

/// What the plugin announces to the enforcer; any line in return means that it is in force.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PodAnnouncement {
    uid: String,
    addresses: Vec<IpAddr>,
}

/// Whether the program was called as the plugin.
#[must_use]
pub fn is_called(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new(PROGRAM_NAME))
}

/// Does what the runtime asks for, in the environment and on standard input.
///
/// # Errors
/// A question that cannot be read, or an answer that nobody takes.
pub fn run_cni_plugin() -> io::Result<ExitCode> {
    let word = |name: &str| std::env::var(name).unwrap_or_default();
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let config: Value = serde_json::from_str(&text)?;
    let (answer, code) = match word("CNI_COMMAND").as_str() {
        "ADD" => match add_pod(&config, &word("CNI_ARGS")) {
            Ok(()) => (config["prevResult"].clone(), ExitCode::SUCCESS),
            Err(why) => (
                json!({"cniVersion": CNI_VERSION, "code": TRY_AGAIN, "msg": why.to_string()}),
                ExitCode::FAILURE,
            ),
        },
        "VERSION" => (
            json!({"cniVersion": CNI_VERSION, "supportedVersions": [CNI_VERSION]}),
            ExitCode::SUCCESS,
        ),
        _ => return Ok(ExitCode::SUCCESS),
    };
    send_message(io::stdout(), &answer)?;
    Ok(code)
}

/// Writes one message, a line of JSON.
fn send_message(mut to: impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

fn add_pod(config: &Value, args: &str) -> Result<(), Error> {
    let socket = config["socket"]
        .as_str()
        .ok_or(Error::PluginInput("a socket in its configuration"))?;
    let announcement = read_announcement(&config["prevResult"], args)?;
    let name = format!("the enforcer of NetworkPolicy at `{socket}`");
    let stream = wait::wait_until(&name, ENFORCED_WITHIN, Duration::from_millis(5), || {
        match UnixStream::connect(socket) {
            Ok(stream) => WaitLook::Ready(stream),
            Err(why) => WaitLook::NotYet(why.to_string()),
        }
    });
    let ask = |stream: UnixStream| {
        stream.set_read_timeout(Some(ENFORCED_WITHIN))?;
        send_message(&stream, &announcement)?;
        BufReader::new(stream).read_line(&mut String::new())
    };
    let did = match ask(stream?) {
        Ok(1..) => return Ok(()),
        Ok(0) => "has ended".to_owned(),
        Err(why) => format!("does not know the pod: {why}"),
    };
    Err(Error::NotAnnounced {
        enforcer: name,
        did,
    })
}

fn read_announcement(result: &Value, args: &str) -> Result<PodAnnouncement, Error> {
    let uid = args
        .split(';')
        .find_map(|pair| pair.strip_prefix("K8S_POD_UID="))
        .ok_or(Error::PluginInput("the name of a pod"))?;
    let addresses = result["ips"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let addresses = addresses
        .iter()
        .filter_map(|ip| ip["address"].as_str()?.split_once('/')?.0.parse().ok());
    let addresses: Vec<IpAddr> = addresses.collect();
    if addresses.is_empty() {
        return Err(Error::PluginInput(
            "an address that an earlier plugin has given the pod",
        ));
    }
    Ok(PodAnnouncement {
        uid: uid.to_owned(),
        addresses,
    })
}

/// Takes announcements at a socket, on background threads.
pub(crate) fn listen_announcements(socket: &Path, tell: Sender<WatchEvent>) -> Result<(), Error> {
    if let Some(folder) = socket.parent() {
        components::cache::private_dir(folder)?;
    }
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).map_err(Error::file("listen at", socket))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            thread::spawn(move || drop(hear_announcement(stream, &tell)));
        }
    });
    Ok(())
}

fn hear_announcement(stream: UnixStream, tell: &Sender<WatchEvent>) -> io::Result<()> {
    stream.set_read_timeout(Some(ENFORCED_WITHIN))?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let PodAnnouncement { uid, addresses } = serde_json::from_str(&line)?;
    tell.send(WatchEvent::Announced {
        uid,
        addresses,
        asker: stream,
    })
    .map_err(io::Error::other)
}

/// Answers one that waits: its pod may start.
pub(crate) fn confirm_pod(mut asker: UnixStream) {
    let _ = asker.write_all(b"in force\n");
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const ARGS: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;K8S_POD_UID=u-1";

    fn addresses() -> Vec<IpAddr> {
        ["fd00::2", "10.244.0.7"]
            .map(|text| text.parse().unwrap())
            .to_vec()
    }

    fn result() -> Value {
        json!({"ips": [{"address": "fd00::2/64"}, {"address": "10.244.0.7/20", "gateway": "10.244.0.1"}]})
    }

    #[test]
    fn a_pod_is_announced_with_its_addresses() {
        let wanted = PodAnnouncement {
            uid: "u-1".into(),
            addresses: addresses(),
        };
        assert_eq!(read_announcement(&result(), ARGS).unwrap(), wanted);
        assert!(read_announcement(&json!({"ips": []}), ARGS).is_err());
        assert!(read_announcement(&result(), "K8S_POD_NAME=b").is_err());
    }

    #[test]
    fn a_pod_starts_when_its_enforcer_says_so_and_not_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("enforcer/node-1.sock");
        let (tell, news) = channel();
        listen_announcements(&socket, tell).unwrap();
        let config = json!({"socket": socket, "prevResult": result()});
        for (confirmed, good) in [(true, true), (false, false)] {
            let asking = thread::spawn({
                let config = config.clone();
                move || add_pod(&config, ARGS)
            });
            let WatchEvent::Announced {
                uid,
                addresses: told,
                asker,
            } = news.recv().unwrap()
            else {
                unreachable!()
            };
            assert_eq!((uid.as_str(), told), ("u-1", addresses()));
            assert!(!asking.is_finished());
            if confirmed {
                confirm_pod(asker)
            } else {
                drop(asker)
            }
            assert_eq!(asking.join().unwrap().is_ok(), good);
        }
    }
}
