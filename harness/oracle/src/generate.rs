//! Cases for the oracles: small, from small pools of names, so that things meet; and odd, where the
//! rules have corners.

pub mod network;
pub mod pod_security;
pub mod rbac;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// `count` cases, each of which can still be shrunk; deterministic in `seed`.
pub fn case_trees<S: Strategy>(strategy: &S, seed: u64, count: usize) -> Vec<S::Tree> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count)
        .filter_map(|_| strategy.new_tree(&mut runner).ok())
        .collect()
}

/// `count` cases, deterministic in `seed`.
pub fn case_values<S: Strategy>(strategy: &S, seed: u64, count: usize) -> Vec<S::Value> {
    case_trees(strategy, seed, count)
        .iter()
        .map(ValueTree::current)
        .collect()
}

/// One of these, owned.
fn pick_word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(str::to_owned)
}

/// Up to `most` of these, in their order, each at most once.
fn some_of<T: Clone + std::fmt::Debug + 'static>(
    all: Vec<T>,
    most: usize,
) -> impl Strategy<Value = Vec<T>> {
    let most = most.min(all.len());
    prop::sample::subsequence(all, 0..=most)
}

/// A value in one of `of` cases.
fn seldom_some<T: std::fmt::Debug + Clone>(
    of: u32,
    strategy: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(1.0 / f64::from(of), strategy)
}
