//! Cases: the same ones each time, unless another seed is given, and made smaller when one
//! disagrees.

use oracle::generate;
use proptest::strategy::{Strategy, ValueTree};

/// How often a case may be tried again while it is made smaller.
const MOST_REDUCTIONS: usize = 300;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().expect(variable))
}

/// How many cases: as the caller says, or `usual`.
pub(crate) fn wanted(usual: usize) -> usize {
    number("ORACLE_CASES").map_or(usual, |wanted| usize::try_from(wanted).unwrap())
}

/// This many cases, each of which can still become smaller.
pub(crate) fn cases<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Tree> {
    generate::case_trees(strategy, number("ORACLE_SEED").unwrap_or(0), count)
}

/// The smallest case that was found to disagree still.
pub(crate) async fn shrink<T: ValueTree>(
    tree: &mut T,
    mut disagrees: impl AsyncFnMut(T::Value) -> bool,
) -> T::Value {
    let mut smallest = tree.current();
    for _ in 0..MOST_REDUCTIONS {
        if !tree.simplify() {
            break;
        }
        while !disagrees(tree.current()).await {
            if !tree.complicate() {
                return smallest;
            }
        }
        smallest = tree.current();
    }
    smallest
}
