//! Timestamps by an authority on P-384, with either hash.

use artifact::verify::{TrustedRoot, VerifyRequest, verify_one};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::RejectionReason;
use serde_json::Value;

use crate::{TIMESTAMP, by_key, data, image};

/// `key-all.json` with another timestamp, and a root whose only authority of timestamps is this.
fn restamped(token: &Value, authority: &[&Value]) -> Option<RejectionReason> {
    let parse = |name: &str| -> Value { serde_json::from_str(&data(name)).unwrap() };
    let (mut bundle, mut root) = (parse("key-all.json"), parse("trusted-root.json"));
    *bundle.pointer_mut(TIMESTAMP).unwrap() = token.clone();
    let chain: Vec<Value> = authority
        .iter()
        .map(|bytes| serde_json::json!({ "rawBytes": bytes }))
        .collect();
    root["timestampAuthorities"][0]["certChain"]["certificates"] = chain.into();
    let root = TrustedRoot::read(&root.to_string()).unwrap();
    let key = data("key.pub");
    let wanted = VerifyRequest {
        log: true,
        timestamp: true,
        ..by_key(&key, &root)
    };
    let judged = verify_one(
        bundle.to_string().as_bytes(),
        &image(&data("digest")),
        &wanted,
    );
    judged.err().map(|rejection| rejection.why)
}

#[test]
fn an_authority_on_p384_signs_with_either_hash() {
    let made: Value = serde_json::from_str(&data("p384-timestamps.json")).unwrap();
    let (signer, root) = (&made["signer"], &made["root"]);
    let tokens = made["tokens"].as_object().unwrap();
    assert_eq!(tokens.len(), 8);
    let untrusted = Some(RejectionReason::UntrustedTimestamp);
    for (name, token) in tokens {
        assert_eq!(restamped(token, &[signer, root]), None, "{name}");
        // Where the root does not name the signer, the timestamp has to.
        let wanted = if name.ends_with("-cert") {
            None
        } else {
            untrusted
        };
        assert_eq!(restamped(token, &[root]), wanted, "{name}");
        let mut bytes = STANDARD.decode(token.as_str().unwrap()).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(
            restamped(&STANDARD.encode(&bytes).into(), &[signer, root]),
            untrusted,
            "{name}"
        );
        // The status of the answer: 2 is a refusal.
        let granted = bytes.windows(3).position(|part| part == [2, 1, 0]).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        bytes[granted + 2] = 2;
        assert_eq!(
            restamped(&STANDARD.encode(&bytes).into(), &[signer, root]),
            untrusted,
            "{name}"
        );
    }
}
