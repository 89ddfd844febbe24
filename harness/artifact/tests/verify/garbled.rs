//! Bundles and roots with parts cut off or changed: nothing of them passes, and nothing panics.

use super::*;

/// What a bundle's signature is over, and the signature.
fn signed(text: &[u8]) -> Option<(Value, Value)> {
    let json: Value = serde_json::from_slice(text).ok()?;
    let envelope = &json["dsseEnvelope"];
    Some((
        envelope["payload"].clone(),
        envelope["signatures"][0]["sig"].clone(),
    ))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_never_passes(bytes in proptest::collection::vec(any_byte(), 0..600)) {
        let root = root("trusted-root.json");
        prop_assert!(verify_one(&bytes, &image(&data("digest")), &by_builder(&root)).is_err());
        let _ = TrustedRoot::read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_part_of_a_bundle_passes(cut in 0..4000_usize) {
        let (root, whole) = (root("trusted-root.json"), data("keyless.json"));
        let cut = cut % whole.len();
        prop_assert!(verify_one(&whole.as_bytes()[..cut], &image(&data("digest")), &by_builder(&root)).is_err());
    }

    #[test]
    fn a_bundle_with_another_byte_passes_only_if_the_signature_is_the_same(place in 0..5000_usize, byte in any_byte()) {
        let root = root("trusted-root.json");
        let mut bytes = data("keyless.json").into_bytes();
        let before = signed(&bytes);
        let place = place % bytes.len();
        bytes[place] = byte;
        if verify_one(&bytes, &image(&data("digest")), &by_builder(&root)).is_ok() {
            prop_assert_eq!(signed(&bytes), before);
        }
    }

    #[test]
    fn a_part_of_a_root_trusts_nobody(cut in 0..4000_usize) {
        let whole = data("trusted-root.json");
        prop_assert!(TrustedRoot::read(&whole[..cut % (whole.len() - 1)]).is_err());
    }

    #[test]
    fn a_timestamp_with_another_byte_is_read_without_panic(place in 0..700_usize, byte in any_byte()) {
        let root = root("trusted-root.json");
        let mut json: Value = serde_json::from_str(&data("keyless.json")).unwrap();
        let token = json.pointer_mut(TIMESTAMP).unwrap();
        let mut bytes = STANDARD.decode(token.as_str().unwrap()).unwrap();
        let place = place % bytes.len();
        bytes[place] = byte;
        *token = STANDARD.encode(&bytes).into();
        let _ = verify_one(json.to_string().as_bytes(), &image(&data("digest")), &by_builder(&root));
        *json.pointer_mut(TIMESTAMP).unwrap() = STANDARD.encode(&bytes[..place]).into();
        prop_assert!(verify_one(json.to_string().as_bytes(), &image(&data("digest")), &by_builder(&root)).is_err());
    }
}

fn any_byte() -> impl Strategy<Value = u8> {
    proptest::num::u8::ANY
}
