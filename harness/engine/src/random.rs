//! Names that were never used before.

use std::hash::{BuildHasher, Hasher, RandomState};

/// `count` lower-case letters and digits, beginning with a letter.
pub(crate) fn random_name(count: usize) -> String {
    const LETTERS: u64 = 26;
    let alphabet = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let pick = |index: usize, of: u64| {
        char::from(alphabet[usize::try_from(random_number(index) % of).unwrap_or_default()])
    };
    (0..count)
        .map(|index| {
            pick(
                index,
                if index == 0 {
                    LETTERS
                } else {
                    alphabet.len() as u64
                },
            )
        })
        .collect()
}

/// `COUNT` bytes, for nonces.
pub(crate) fn random_bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = random_number(index).to_le_bytes()[0];
    }
    bytes
}

/// A number that the operating system's randomness went into: every `RandomState` has other keys.
fn random_number(salt: usize) -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_usize(salt);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::random_name;

    #[test]
    fn names_are_plain_and_differ() {
        let (one, other) = (random_name(10), random_name(10));
        assert_ne!(one, other);
        assert_eq!(one.len(), 10);
        assert!(one.starts_with(|c: char| c.is_ascii_lowercase()), "{one}");
        assert!(
            one.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
            "{one}"
        );
    }
}
