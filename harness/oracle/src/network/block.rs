//! Blocks of addresses.

use std::net::IpAddr;

/// A block of addresses, as in `10.0.0.0/8`.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressBlock {
    base: IpAddr,
    length: u32,
}

impl AddressBlock {
    /// `None` where it is not written as one. Bits beyond the length do not matter, as in the API.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (base, length) = text.split_once('/')?;
        let (base, length) = (base.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?);
        let longest = if base.is_ipv4() { 32 } else { 128 };
        (length <= longest).then_some(Self {
            base,
            length: length.into(),
        })
    }

    /// Whether an address of the same family is in it.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(other)) => {
                self.same_prefix(base.to_bits().into(), other.to_bits().into(), 32)
            }
            (IpAddr::V6(base), IpAddr::V6(other)) => {
                self.same_prefix(base.to_bits(), other.to_bits(), 128)
            }
            _ => false,
        }
    }

    /// Whether the first bits are the same, of numbers that have `width` bits.
    fn same_prefix(&self, one: u128, other: u128, width: u32) -> bool {
        (one ^ other).checked_shr(width - self.length).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_contains_what_begins_like_it() {
        let contains = |block: &str, address: &str| {
            AddressBlock::read(block)
                .unwrap()
                .contains(address.parse().unwrap())
        };
        assert!(contains("10.244.0.0/16", "10.244.255.255"));
        assert!(!contains("10.244.0.0/16", "10.245.0.0"));
        assert!(
            contains("10.244.0.7/31", "10.244.0.6"),
            "the bits beyond do not matter"
        );
        assert!(!contains("10.244.0.6/31", "10.244.0.8"));
        assert!(contains("10.244.0.7/32", "10.244.0.7"));
        assert!(!contains("10.244.0.7/32", "10.244.0.6"));
        assert!(contains("0.0.0.0/0", "255.255.255.255"));
        assert!(contains("::/0", "fd00::1"));
        assert!(contains("fd00:1::/32", "fd00:1:ffff::1"));
        assert!(!contains("fd00:1::/32", "fd00:2::1"));
        assert!(!contains("0.0.0.0/0", "::1"), "families are apart");
        assert!(!contains("::/0", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_block_is_none() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "a/8",
        ] {
            assert!(AddressBlock::read(text).is_none(), "{text}");
        }
    }
}
