//! `agent-forge KIND --manager HOST [--port N] [--dir DIR]`: what no honest agent sends. With the
//! key of the agent in DIR where one is needed, as an attacker has it who took it, or recorded what
//! it sealed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use ::agent::{
    AgentEvent, AgentKey, EventMark, MessageCipher, MessageCounter, frame, seal_message,
};
use error_chain::error_chain;

use super::CommandOptions;
use crate::dns::resolve::{self, ResolverConfig as Servers};

/// With two managers, this many connections all go to the same one once in half a million times.
const COUNTER_SPREAD: u32 = 20;

const REACTION_WITHIN: Duration = Duration::from_secs(2);

/// Sends, and prints the result.
pub(super) fn run_forge(words: &[&str]) -> Result<String, String> {
    let [kind, rest @ ..] = words else {
        return Err("what? `agent-forge KIND --manager HOST`".into());
    };
    let mut options = CommandOptions::read(rest)?;
    let host = options
        .text("manager")
        .ok_or("missing option: `--manager HOST`")?;
    let (port, dir) = (options.value_or("port", 1514)?, options.dir("/agent"));
    options.check_end()?;
    let messages = forged_messages(kind, &dir)?;
    let to = manager_address(&host, port)?;
    let said: Vec<&str> = messages
        .iter()
        .map(|bytes| send_forged(to, bytes))
        .collect::<Result<_, _>>()?;
    Ok(format!("{}\n", said.join(", ")))
}

/// The bytes of each connection.
fn forged_messages(kind: &str, dir: &Path) -> Result<Vec<Vec<u8>>, String> {
    let length = |length: u32, bytes: &[u8]| [&length.to_le_bytes(), bytes].concat();
    let framed = |bytes: &[u8]| length(u32::try_from(bytes.len()).unwrap_or(u32::MAX), bytes);
    Ok(match kind {
        // One message, recorded and sent three times; a pong says that the manager took it and goes
        // on.
        "replay" => vec![
            [
                framed(&sealed_message(&read_key(dir)?)?),
                framed(frame::PING_FRAME)
            ]
            .concat();
            3
        ],
        // As many messages, each on its own connection.
        "spread" => {
            let key = read_key(dir)?;
            let each = (1..=COUNTER_SPREAD).map(|number| {
                Ok([
                    framed(&numbered_event(&key, number)?),
                    framed(frame::PING_FRAME),
                ]
                .concat())
            });
            each.collect::<Result<_, String>>()?
        }
        "oversized" => vec![length(u32::MAX, b"x")],
        "empty" => vec![length(0, b"")],
        "truncated" => {
            let whole = sealed_message(&read_key(dir)?)?;
            vec![framed(&whole[..whole.len() / 2]), length(60_000, &whole)]
        }
        "wrong-key" => {
            let key = read_key(dir)?;
            let other =
                AgentKey::new(key.id, &key.name, &key.ip).map_err(|fault| error_chain(&fault))?;
            vec![framed(&sealed_message(&other)?)]
        }
        "unknown-id" => {
            vec![framed(&sealed_message(
                &AgentKey::new("999".into(), "nobody", "any")
                    .map_err(|fault| error_chain(&fault))?,
            )?)]
        }
        "junk" => vec![framed(b"\x16\x03\x01 not what was meant"), framed(b"!!!")],
        "ping" => vec![framed(frame::PING_FRAME)],
        _ => return Err(format!("`{kind}` cannot be forged")),
    })
}

fn read_key(dir: &Path) -> Result<AgentKey, String> {
    let keys = AgentKey::load(&dir.join("client.keys")).map_err(|fault| error_chain(&fault))?;
    keys.into_iter()
        .next()
        .ok_or_else(|| format!("there is no key in `{}`", dir.display()))
}

fn sealed_message(key: &AgentKey) -> Result<Vec<u8>, String> {
    numbered_event(key, 1)
}

/// An event with a number far ahead of the agent's own.
fn numbered_event(key: &AgentKey, number: u32) -> Result<Vec<u8>, String> {
    let event = AgentEvent::of_agent(
        EventMark {
            source: "forged".into(),
            number: number.into(),
        }
        .to_string(),
    );
    let (counter, id) = (
        MessageCounter {
            global: 1_000_000,
            local: number,
        },
        Some(key.id.as_str()),
    );
    seal_message(
        &key.secret(),
        MessageCipher::Aes,
        counter,
        id,
        &event.payload(),
    )
    .map_err(|fault| error_chain(&fault))
}

fn manager_address(host: &str, port: u16) -> Result<SocketAddr, String> {
    if let Ok(mut found) = (host, port).to_socket_addrs()
        && host.parse::<std::net::IpAddr>().is_ok()
        && let Some(address) = found.next()
    {
        return Ok(address);
    }
    let found = resolve::host_addresses(host, &Servers::own_config(), REACTION_WITHIN)
        .map_err(|blocked| blocked.reason.word().to_owned())?;
    let first = found
        .addresses
        .first()
        .ok_or_else(|| format!("no address for `{host}`"))?;
    Ok(SocketAddr::new(*first, port))
}

/// What the manager does about it, within a moment. Returns when the manager knows that the
/// connection has ended: until then it lets no other one have the same key.
fn send_forged(to: SocketAddr, bytes: &[u8]) -> Result<&'static str, String> {
    let mut stream = TcpStream::connect_timeout(&to, REACTION_WITHIN)
        .map_err(|why| format!("failed to connect: {why}"))?;
    stream
        .set_read_timeout(Some(REACTION_WITHIN))
        .map_err(|why| why.to_string())?;
    stream
        .write_all(bytes)
        .map_err(|why| format!("failed to send: {why}"))?;
    let said = match frame::read_frame(&mut stream) {
        Ok(Some(message)) if message == frame::PONG_FRAME => "pong",
        Ok(Some(_)) => "answered",
        Ok(None) => "closed",
        Err(::agent::Error::Network { source, .. })
            if matches!(
                source.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ) =>
        {
            "taken in silence"
        }
        Err(_) => "closed",
    };
    let _ = stream
        .shutdown(Shutdown::Write)
        .and_then(|()| stream.read_to_end(&mut Vec::new()));
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_key_says_that_there_is_none() {
        for kind in ["replay", "truncated", "wrong-key"] {
            assert!(
                forged_messages(kind, Path::new("/nowhere"))
                    .is_err_and(|why| why.contains("no key")),
                "{kind}"
            );
        }
        for kind in ["oversized", "empty", "unknown-id", "junk", "ping"] {
            assert!(
                !forged_messages(kind, Path::new("/nowhere"))
                    .unwrap()
                    .is_empty(),
                "{kind}"
            );
        }
    }
}
