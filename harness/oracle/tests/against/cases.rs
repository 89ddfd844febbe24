//! Cases: the same ones each time, unless another seed is given, and made smaller when one disagrees.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How often a case may be tried again while it is made smaller.
const PATIENCE: usize = 300;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect(variable))
}

/// How many cases: as the caller says, or `usual`.
pub(crate) fn wanted(usual: usize) -> usize {
    number("ORACLE_CASES").map_or(usual, |wanted| usize::try_from(wanted).unwrap())
}

/// This many cases, each of which can still become smaller.
pub(crate) fn cases<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Tree> {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number("ORACLE_SEED").unwrap_or(0).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a case")).collect()
}

/// The smallest case that was found to disagree still.
pub(crate) async fn shrink<T: ValueTree>(tree: &mut T, mut disagrees: impl AsyncFnMut(T::Value) -> bool) -> T::Value {
    let mut smallest = tree.current();
    for _ in 0..PATIENCE {
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
