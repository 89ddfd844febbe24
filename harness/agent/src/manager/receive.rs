//! Taking a message: whose it is, whether it opens, and what it says.

use std::net::IpAddr;
use std::time::Instant;

use super::{LastSeen, WazuhManager, lock_content};
use crate::{
    AgentEvent, AgentKey, AgentVersion, Error, EventMark, FromAgent, FromManager, MessageCipher,
    OpenedMessage, open_message, seal_message, split_message,
};

/// Why a message was not taken; the log has the rest.
#[derive(Debug, thiserror::Error)]
#[error("a message was not taken")]
pub(super) struct MessageRefusal;

impl WazuhManager {
    /// Takes one message from `from`; `on` is its connection, where it came on one. Returns what is
    /// answered.
    pub(super) fn take_message(
        &self,
        message: &[u8],
        from: IpAddr,
        on: Option<u64>,
    ) -> Result<Option<Vec<u8>>, MessageRefusal> {
        let sealed = split_message(message).map_err(|_| {
            self.remoted.warning(format!(
                "(1403): Incorrectly formatted message from '{from}'."
            ));
            MessageRefusal
        })?;
        let key = self.whose(sealed.id, from)?;
        let opened = open_message(&key.secret(), sealed)
            .map_err(|fault| self.not_opened(&fault, &key, from))?;
        self.check_counter(&key, &opened)?;
        self.is_here(&key, on)?;
        match FromAgent::read(&opened.payload) {
            Some(said) => self
                .answer_control(&key, &said)
                .map(|said| self.seal_message(&key, sealed.crypto, &said)),
            None => {
                self.count_event(&key, &opened.payload);
                Ok(None)
            }
        }
    }

    /// The key of the agent that a message says it is of.
    fn whose(&self, id: Option<&str>, from: IpAddr) -> Result<AgentKey, MessageRefusal> {
        let keys = lock_content(&self.keys);
        let key = match id {
            Some(id) => keys.get(id),
            None => keys.values().find(|key| key.ip.parse() == Ok(from)),
        };
        let Some(key) = key else {
            self.remoted.warning(match id {
                Some(id) => format!("(1408): Invalid ID {id} for the source ip: '{from}' (name 'unknown')."),
                None => format!(
                    "(1213): Message from '{from}' not allowed. Cannot find the ID of the agent. Source agent ID is unknown."
                ),
            });
            return Err(MessageRefusal);
        };
        if !covers_address(&key.ip, from) {
            let (id, name) = (&key.id, &key.name);
            self.remoted.warning(format!(
                "(1408): Invalid ID {id} for the source ip: '{from}' (name '{name}')."
            ));
            return Err(MessageRefusal);
        }
        Ok(key.clone())
    }

    fn not_opened(&self, fault: &Error, key: &AgentKey, from: IpAddr) -> MessageRefusal {
        let name = &key.name;
        self.remoted.warning(match fault {
            Error::Checksum => format!("(1406): Checksum mismatch on message from '{from}' (name '{name}')."),
            Error::Format => format!("(1403): Incorrectly formatted message from '{from}' (name '{name}')."),
            _ => format!("(1404): Authentication error. Wrong key or corrupt payload. Message received from agent '{}' at '{from}'.", key.id),
        });
        MessageRefusal
    }

    /// Refuses a number that was there before, if that is asked for.
    fn check_counter(&self, key: &AgentKey, opened: &OpenedMessage) -> Result<(), MessageRefusal> {
        if !self.config.verify_counters {
            return Ok(());
        }
        if lock_content(&self.counters)
            .entry(key.id.clone())
            .or_default()
            .accepts(opened.counter)
        {
            return Ok(());
        }
        let (global, local) = (opened.counter.global, opened.counter.local);
        self.remoted.warning(format!(
            "Duplicate error:  global: {global}, local: {local}"
        ));
        self.remoted
            .warning(format!("(1407): Duplicated counter for '{}'.", key.name));
        Err(MessageRefusal)
    }

    /// Notes that an agent was heard, unless another connection has its key.
    fn is_here(&self, key: &AgentKey, on: Option<u64>) -> Result<(), MessageRefusal> {
        let mut all = lock_content(&self.seen);
        if let (Some(seen), Some(on)) = (all.get(&key.id), on)
            && seen.on.is_some_and(|other| other != on)
            && seen.at.elapsed() < self.config.overtake
        {
            self.remoted
                .warning(format!("Agent key already in use: agent ID '{}'", key.id));
            return Err(MessageRefusal);
        }
        all.insert(
            key.id.clone(),
            LastSeen {
                at: Instant::now(),
                on,
                left: false,
            },
        );
        Ok(())
    }

    /// What is said to a control message.
    fn answer_control(
        &self,
        key: &AgentKey,
        said: &FromAgent,
    ) -> Result<Option<FromManager>, MessageRefusal> {
        match said {
            FromAgent::Startup(version) => {
                let Some(theirs) = version
                    .as_ref()
                    .and_then(|text| text.parse::<AgentVersion>().ok())
                else {
                    return Ok(Some(FromManager::Refused(
                        "Couldn't retrieve version".into(),
                    )));
                };
                let newer = theirs.is_newer_than(self.config.version);
                Ok(Some(if newer {
                    FromManager::Refused(
                        "Agent version must be lower or equal to manager version".into(),
                    )
                } else {
                    FromManager::Ack
                }))
            }
            FromAgent::KeepAlive(_) => Ok(Some(FromManager::Ack)),
            FromAgent::Shutdown => {
                if let Some(seen) = lock_content(&self.seen).get_mut(&key.id) {
                    (seen.left, seen.on) = (true, None);
                }
                Ok(None)
            }
        }
    }

    fn seal_message(
        &self,
        key: &AgentKey,
        crypto: MessageCipher,
        said: &Option<FromManager>,
    ) -> Option<Vec<u8>> {
        let payload = said.as_ref()?.payload();
        let counter = lock_content(&self.sender).take_next();
        let message = counter
            .and_then(|counter| seal_message(&key.secret(), crypto, counter, None, &payload));
        message.inspect_err(|fault| self.remoted.error(fault)).ok()
    }

    /// Counts an event, if it is one that can be counted.
    fn count_event(&self, key: &AgentKey, payload: &[u8]) {
        let Some(event) = AgentEvent::read(payload) else {
            self.remoted.debug(format!(
                "an event of '{}' has no queue and location",
                key.name
            ));
            return;
        };
        if let Some(mark) = EventMark::find(&event.text)
            && let Err(fault) = lock_content(&self.journal).note_event(&key.id, &key.name, &mark)
        {
            self.remoted.error(fault);
        }
    }
}

/// Whether an agent with a key for `ip` may come from this address.
fn covers_address(ip: &str, from: IpAddr) -> bool {
    if ip == "any" {
        return true;
    }
    let Some((network, bits)) = ip.split_once('/') else {
        return ip.parse() == Ok(from);
    };
    let mask = |size: u32| {
        bits.parse::<u32>()
            .ok()
            .filter(|bits| *bits <= size)
            .map(|bits| size - bits)
    };
    match (network.parse(), from) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(from)) => {
            let same = network.to_bits() ^ from.to_bits();
            mask(32).is_some_and(|shift| same.checked_shr(shift).unwrap_or(0) == 0)
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(from)) => {
            let same = network.to_bits() ^ from.to_bits();
            mask(128).is_some_and(|shift| same.checked_shr(shift).unwrap_or(0) == 0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_covered_by_networks() {
        let from = |text: &str| text.parse::<IpAddr>().unwrap();
        for (ip, address, covered) in [
            ("any", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.0/8", "10.9.9.9", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("10.0.0.0/33", "10.0.0.1", false),
            ("10.0.0.0/8", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("nonsense", "10.0.0.1", false),
        ] {
            assert_eq!(covers_address(ip, from(address)), covered, "{ip} {address}");
        }
    }
}
