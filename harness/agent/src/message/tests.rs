use proptest::prelude::*;

use super::*;
use crate::AgentKey;

const STARTUP: &[u8] = br##"#!-agent startup {"version":"v4.14.7"}"##;

/// Made with Python's `cryptography` and checked with OpenSSL; not captured from a real agent.
const AES: &str = "d0915c6b44b5df8dae98c8fd71b631b241ba7fcabc27a409d8888e8c259e2375f7564541eed23cbe2188d0d289dbc93341a1fae0dc865383116ee4d38ed329507b9a2556479905ebda86b3cfb3c6d537896c2b3746167bdce76e952a0b9e217a83d65efdd89c31da9109a7159d14b9e7";
const BLOWFISH: &str = "b4218e7950288315a68899ad8be64a3a039901900a817e1117901b167d7d82dfa43dc92bdb6a05a69e488e09f3d5afc896a47e78f795c19b457baf8f7726378508f7bd33eda895c64627cfae9aa192a00517e965955b32300942fd0f3dafde41";

fn secret() -> SealingSecret {
    AgentKey {
        id: "001".into(),
        name: "agent1".into(),
        ip: "any".into(),
        raw: "a".repeat(64),
    }
    .secret()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn counter(global: u32, local: u32) -> MessageCounter {
    MessageCounter { global, local }
}

#[test]
fn what_others_sealed_opens() {
    for (mark, hex) in [("!001!#AES:", AES), ("!001!:", BLOWFISH)] {
        let message = [mark.as_bytes(), &bytes(hex)].concat();
        let sealed = split_message(&message).unwrap();
        assert_eq!(sealed.id, Some("001"));
        let opened = open_message(&secret(), sealed).unwrap();
        assert_eq!(
            opened,
            OpenedMessage {
                counter: counter(1, 1),
                payload: STARTUP.to_vec()
            }
        );
    }
}

#[test]
fn what_is_encrypted_begins_and_ends_as_described() {
    let plain = build_plaintext(1234, counter(1, 1), STARTUP);
    assert_eq!(plain.len() % 8, 0);
    let marks = plain.iter().take_while(|byte| **byte == b'!').count();
    assert!((1..=8).contains(&marks));
    assert_eq!(plain[marks..marks + 2], [0x78, 0xda]);
    let mut whole = String::new();
    ZlibDecoder::new(&plain[marks..])
        .read_to_string(&mut whole)
        .unwrap();
    assert_eq!(
        &whole[32..],
        "012340000000001:0001:#!-agent startup {\"version\":\"v4.14.7\"}"
    );
}

#[test]
fn a_wrong_sum_is_told_from_a_wrong_key() {
    let sealed_by_hand = |whole: &[u8]| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(whole).unwrap();
        let compressed = encoder.finish().unwrap();
        let mut plain = vec![b'!'; 8 - compressed.len() % 8];
        plain.extend(compressed);
        let body = encrypt_payload(&secret(), MessageCipher::Aes, &plain).unwrap();
        open_message(
            &secret(),
            SealedMessage {
                id: None,
                crypto: MessageCipher::Aes,
                body: &body,
            },
        )
        .unwrap_err()
    };
    let inner = "012340000000001:0001:payload";
    assert!(matches!(
        sealed_by_hand(format!("{}{inner}", "0".repeat(32)).as_bytes()),
        Error::Checksum
    ));
    assert!(matches!(sealed_by_hand(b"short"), Error::Format));
    let no_counters = "payload without counters";
    assert!(matches!(
        sealed_by_hand(format!("{}{no_counters}", md5_hex(no_counters)).as_bytes()),
        Error::Format
    ));
    assert!(matches!(
        sealed_by_hand(format!("{}{inner}", md5_hex("x")).as_bytes()),
        Error::Checksum
    ));
}

#[test]
fn what_would_never_end_is_not_read_to_its_end() {
    let huge = vec![b'a'; 40 << 20];
    let plain = build_plaintext(0, counter(1, 1), &huge);
    let body = encrypt_payload(&secret(), MessageCipher::Aes, &plain).unwrap();
    assert!(body.len() <= LONGEST_FRAME, "{}", body.len());
    assert!(
        open_message(
            &secret(),
            SealedMessage {
                id: None,
                crypto: MessageCipher::Aes,
                body: &body
            }
        )
        .is_err()
    );
}

#[test]
fn what_is_too_long_is_not_sealed() {
    let noise: Vec<u8> = (0..3000)
        .flat_map(|_| crate::random::random_bytes::<32>().unwrap())
        .collect();
    assert!(matches!(
        seal_message(&secret(), MessageCipher::Aes, counter(1, 1), None, &noise),
        Err(Error::TooLong { .. })
    ));
}

fn crypto() -> impl Strategy<Value = MessageCipher> {
    prop_oneof![Just(MessageCipher::Aes), Just(MessageCipher::Blowfish)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_sealed_opens(payload in prop::collection::vec(any::<u8>(), 0..400), global in any::<u32>(), local in 0..9998_u32, crypto in crypto(), id in prop::option::of("[0-9]{3,6}")) {
        let message = seal_message(&secret(), crypto, counter(global, local), id.as_deref(), &payload).unwrap();
        let sealed = split_message(&message).unwrap();
        prop_assert_eq!(sealed.id, id.as_deref());
        prop_assert_eq!(open_message(&secret(), sealed).unwrap(), OpenedMessage { counter: counter(global, local), payload });
    }

    #[test]
    fn another_key_does_not_open_it(payload in ".{0,100}", crypto in crypto(), raw in "[0-9a-f]{64}") {
        let message = seal_message(&secret(), crypto, counter(1, 1), None, payload.as_bytes()).unwrap();
        let other = AgentKey { id: "001".into(), name: "agent1".into(), ip: "any".into(), raw }.secret();
        prop_assert!(open_message(&other, split_message(&message).unwrap()).is_err());
    }

    #[test]
    fn what_was_cut_or_changed_does_not_open(payload in ".{0,100}", crypto in crypto(), at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<bool>()) {
        let message = seal_message(&secret(), crypto, counter(1, 1), Some("001"), payload.as_bytes()).unwrap();
        let at = 10 + at.index(message.len() - 10);
        let mut spoiled = message;
        if cut { spoiled.truncate(at) } else { spoiled[at] ^= 1 << bit }
        // zlib's window size is the one thing that no sum is taken of: the payload is still the one
        // that was sealed.
        if let Ok(sealed) = split_message(&spoiled) && let Ok(opened) = open_message(&secret(), sealed) {
            prop_assert_eq!(opened.payload, payload.as_bytes());
        }
    }

    #[test]
    fn whatever_comes_does_not_panic(head in "(!|!001!|!001|#AES:|!001!#AES:|:|!1234567890!:)?", body in prop::collection::vec(any::<u8>(), 0..200)) {
        let message = [head.as_bytes(), &body].concat();
        if let Ok(sealed) = split_message(&message) {
            let _ = open_message(&secret(), sealed);
        }
    }
}
