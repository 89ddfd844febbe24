//! Messages that the real programs sent each other, in each cipher, over both transports, with keys
//! for any address and for one: all of them open, and say who sent them.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

use agent::{
    AgentKey, FromAgent, FromManager, MessageCipher, MessageCounter, frame, open_message,
    split_message,
};

const RECORDED: &str = include_str!("data/recorded.tsv");

struct RecordedMessage {
    by_agent: bool,
    key: AgentKey,
    counter: MessageCounter,
    id: Option<String>,
    cipher: MessageCipher,
    payload: Vec<u8>,
    message: Vec<u8>,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn read(line: &str) -> RecordedMessage {
    let columns: Vec<&str> = line.split('\t').collect();
    let [over, sender, key, counter, id, cipher, payload, wire] = columns.try_into().unwrap();
    let (global, local) = counter.split_once(':').unwrap();
    let wire = bytes(wire);
    let message = match over {
        "tcp" => {
            let mut rest = wire.as_slice();
            let message = frame::read_frame(&mut rest).unwrap().unwrap();
            assert!(rest.is_empty());
            message
        }
        "udp" => wire,
        other => panic!("no transport: {other}"),
    };
    RecordedMessage {
        by_agent: sender == "agent",
        key: key.parse().unwrap(),
        counter: MessageCounter {
            global: global.parse().unwrap(),
            local: local.parse().unwrap(),
        },
        id: (id != "-").then(|| id.to_owned()),
        cipher: match cipher {
            "aes" => MessageCipher::Aes,
            "blowfish" => MessageCipher::Blowfish,
            other => panic!("no cipher: {other}"),
        },
        payload: bytes(payload),
        message,
    }
}

fn all() -> Vec<RecordedMessage> {
    let lines = RECORDED.lines().filter(|line| !line.starts_with('#'));
    lines.map(read).collect()
}

#[test]
fn every_message_of_the_real_programs_opens() {
    let all = all();
    assert_eq!(all.len(), 44);
    for one in &all {
        let sealed = split_message(&one.message).unwrap();
        assert_eq!(sealed.id, one.id.as_deref());
        assert_eq!(sealed.crypto, one.cipher);
        let opened = open_message(&one.key.secret(), sealed).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&opened.payload),
            String::from_utf8_lossy(&one.payload)
        );
        assert_eq!(opened.counter, one.counter);
    }
}

#[test]
fn none_of_them_opens_with_another_key_or_with_a_bit_changed() {
    let other: AgentKey = format!("009 other any {}", "b".repeat(64)).parse().unwrap();
    for one in all() {
        let sealed = split_message(&one.message).unwrap();
        assert!(open_message(&other.secret(), sealed).is_err());
        let mut spoiled = one.message.clone();
        *spoiled.last_mut().unwrap() ^= 1;
        let sealed = split_message(&spoiled).unwrap();
        assert!(open_message(&one.key.secret(), sealed).is_err());
    }
}

/// Agents say when they start, that they are there, and when they end; managers answer each start.
#[test]
fn control_messages_of_both_ends_are_understood() {
    let (mut starts, mut ends, mut acks) = (0, 0, 0);
    for one in all() {
        if one.by_agent {
            match FromAgent::read(&one.payload) {
                Some(FromAgent::Startup(version)) => {
                    assert_eq!(version.as_deref(), Some("v4.14.7"));
                    starts += 1;
                }
                Some(FromAgent::Shutdown) => ends += 1,
                Some(FromAgent::KeepAlive(_)) | None => {}
            }
        } else if let Some(FromManager::Ack) = FromManager::read(&one.payload) {
            acks += 1;
        }
    }
    assert_eq!((starts, ends), (4, 4), "one of each in each recording");
    assert!(acks >= starts, "{acks}");
}
