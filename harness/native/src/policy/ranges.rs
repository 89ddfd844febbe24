//! Sets of numbers as ranges: of addresses, and of ports.

/// Disjoint ranges (both ends belong to them) in order, none of which touches the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// Every number.
    pub(super) fn all() -> Self {
        Self(vec![(0, u32::MAX)])
    }

    pub(super) fn of(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|(first, last)| first <= last).collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    pub(super) fn union<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::of(all.into_iter().flat_map(|one| one.0.iter().copied()))
    }

    /// What is in these and not in the others.
    pub(super) fn without(&self, others: &Self) -> Self {
        let mut left = Vec::new();
        for &(first, last) in &self.0 {
            let mut next = Some(first);
            for &(from, to) in others.0.iter().filter(|(from, to)| *from <= last && *to >= first) {
                if let Some(at) = next.filter(|at| *at < from) {
                    left.push((at, from - 1));
                }
                next = to.checked_add(1);
            }
            left.extend(next.map(|at| (at, last)));
        }
        Self::of(left)
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after > 0 && self.0[after - 1].1 >= number
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (u32, u32)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some() -> impl Strategy<Value = Vec<(u32, u32)>> {
        proptest::collection::vec((0_u32..40, 0_u32..40), 0..8)
    }

    fn is_in(number: u32, ranges: &[(u32, u32)]) -> bool {
        ranges.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    proptest! {
        #[test]
        fn they_are_the_sets_they_stand_for(one in some(), other in some()) {
            let (left, right) = (Ranges::of(one.clone()), Ranges::of(other.clone()));
            let (union, without) = (Ranges::union([&left, &right]), left.without(&right));
            for number in 0..42 {
                let (in_one, in_other) = (is_in(number, &one), is_in(number, &other));
                prop_assert_eq!(left.contains(number), in_one);
                prop_assert_eq!(union.contains(number), in_one || in_other);
                prop_assert_eq!(without.contains(number), in_one && !in_other);
            }
            let apart = |ranges: &Ranges| ranges.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0);
            prop_assert!(apart(&left) && apart(&union) && apart(&without));
        }
    }

    #[test]
    fn the_ends_of_all_numbers_are_no_trap() {
        let all = Ranges::all();
        assert!(all.without(&all).is_empty());
        let ends = Ranges::of([(0, 0), (u32::MAX, u32::MAX)]);
        assert_eq!(all.without(&ends), Ranges::of([(1, u32::MAX - 1)]));
        assert_eq!(Ranges::union([&all, &ends]), all);
        assert!(!ends.contains(1) && ends.contains(u32::MAX));
    }
}
