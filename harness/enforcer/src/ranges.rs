//! Sets of numbers as ranges: of ports, and of addresses of both families. Those of IPv4 are
//! numbered as IPv6 maps them: 10.0.0.1 is ::ffff:10.0.0.1.

use std::net::{IpAddr, Ipv6Addr};

/// Disjoint ranges (both ends belong to them) in order, none of which touches the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NumberRanges(Vec<(u128, u128)>);

const IPV4_RANGE: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

/// The number of an address.
pub(crate) fn address_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address of a number.
pub(crate) fn number_address(number: u128) -> IpAddr {
    Ipv6Addr::from_bits(number).to_canonical()
}

impl NumberRanges {
    /// Every number.
    pub(crate) fn all() -> Self {
        Self(vec![(0, u128::MAX)])
    }

    /// Every IPv4 address: ::ffff:0:0/96.
    pub(crate) fn ipv4() -> Self {
        Self(vec![IPV4_RANGE])
    }

    /// Every IPv6 address that does not map IPv4.
    pub(crate) fn ipv6() -> Self {
        Self::all().without(&Self::ipv4())
    }

    /// Those of them that are IPv4 addresses.
    pub(crate) fn of_ipv4(&self) -> Self {
        Self::from_pairs(
            self.0
                .iter()
                .map(|(first, last)| (*first.max(&IPV4_RANGE.0), *last.min(&IPV4_RANGE.1))),
        )
    }

    pub(crate) fn from_pairs(ranges: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let mut ranges: Vec<_> = ranges
            .into_iter()
            .filter(|(first, last)| first <= last)
            .collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    pub(crate) fn union<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::from_pairs(all.into_iter().flat_map(|one| one.0.iter().copied()))
    }

    /// What is in these and not in the others.
    pub(crate) fn without(&self, others: &Self) -> Self {
        let mut left = Vec::new();
        for &(first, last) in &self.0 {
            let mut next = Some(first);
            for &(from, to) in others
                .0
                .iter()
                .filter(|(from, to)| *from <= last && *to >= first)
            {
                if let Some(at) = next.filter(|at| *at < from) {
                    left.push((at, from - 1));
                }
                next = to.checked_add(1);
            }
            left.extend(next.map(|at| (at, last)));
        }
        Self::from_pairs(left)
    }

    pub(crate) fn contains(&self, number: u128) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after > 0 && self.0[after - 1].1 >= number
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u128, u128)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some() -> impl Strategy<Value = Vec<(u128, u128)>> {
        proptest::collection::vec((0_u128..40, 0_u128..40), 0..8)
    }

    fn is_in(number: u128, ranges: &[(u128, u128)]) -> bool {
        ranges
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number))
    }

    proptest! {
        #[test]
        fn they_are_the_sets_they_stand_for(one in some(), other in some()) {
            let (left, right) = (NumberRanges::from_pairs(one.clone()), NumberRanges::from_pairs(other.clone()));
            let (union, without) = (NumberRanges::union([&left, &right]), left.without(&right));
            for number in 0..42 {
                let (in_one, in_other) = (is_in(number, &one), is_in(number, &other));
                prop_assert_eq!(left.contains(number), in_one);
                prop_assert_eq!(union.contains(number), in_one || in_other);
                prop_assert_eq!(without.contains(number), in_one && !in_other);
            }
            let apart = |ranges: &NumberRanges| ranges.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0);
            prop_assert!(apart(&left) && apart(&union) && apart(&without));
        }
    }

    #[test]
    fn the_ends_of_all_numbers_are_no_trap() {
        let all = NumberRanges::all();
        assert!(all.without(&all).is_empty());
        let ends = NumberRanges::from_pairs([(0, 0), (u128::MAX, u128::MAX)]);
        assert_eq!(
            all.without(&ends),
            NumberRanges::from_pairs([(1, u128::MAX - 1)])
        );
        assert_eq!(NumberRanges::union([&all, &ends]), all);
        assert!(!ends.contains(1) && ends.contains(u128::MAX));
    }

    #[test]
    fn addresses_have_numbers_and_families() {
        for text in [
            "10.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "fd00::1",
            "::",
            "::1",
        ] {
            let one: IpAddr = text.parse().unwrap();
            assert_eq!(number_address(address_number(one)), one);
            assert_eq!(
                (
                    NumberRanges::ipv4().contains(address_number(one)),
                    NumberRanges::ipv6().contains(address_number(one))
                ),
                (one.is_ipv4(), one.is_ipv6())
            );
        }
        assert_eq!(NumberRanges::all().of_ipv4(), NumberRanges::ipv4());
        assert!(NumberRanges::ipv6().of_ipv4().is_empty());
    }
}
