//! The socket at which a command that stays answers conversations.

use std::io::BufReader;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use super::answer_all;

/// The socket's name is this and the mount namespace, as the kernel names it.
const SOCKET_PREFIX: &str = "gauntlet-probe-";

/// How long a caller may leave an answer unread.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);

/// Answers conversations from now on, in background threads. Where another process of the container
/// does already, or the kernel does not allow it, there is no socket: the caller uses the command
/// `converse`.
pub(crate) fn open_door() {
    let Ok(space) = std::fs::read_link("/proc/self/ns/mnt") else {
        return;
    };
    _ = open_at(&format!("{SOCKET_PREFIX}{}", space.display()));
}

fn open_at(name: &str) -> std::io::Result<()> {
    let door = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    let serve = move || {
        for visitor in door.incoming().flatten() {
            _ = thread::Builder::new()
                .stack_size(256 << 10)
                .spawn(move || serve_conversation(visitor));
        }
    };
    thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(serve)
        .map(drop)
}

fn serve_conversation(visitor: UnixStream) {
    if visitor.set_write_timeout(Some(TAKEN_WITHIN)).is_ok()
        && let Ok(reader) = visitor.try_clone()
    {
        answer_all(BufReader::new(reader), visitor);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Write};

    use super::*;

    #[test]
    fn several_ask_at_a_time_and_one_answers() {
        let name = format!("{SOCKET_PREFIX}test-{}", std::process::id());
        open_at(&name).unwrap();
        assert!(open_at(&name).is_err());
        let connect =
            || UnixStream::connect_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut visitors = [connect(), connect()];
        for visitor in &mut visitors {
            writeln!(visitor, r#"{{"id":4,"ask":{{"cat":"/proc/self/comm"}}}}"#).unwrap();
        }
        for visitor in visitors {
            let mut line = String::new();
            BufReader::new(visitor).read_line(&mut line).unwrap();
            assert!(
                line.starts_with(r#"{"id":4,"said":{"answer":{"file":""#),
                "{line}"
            );
        }
    }
}
