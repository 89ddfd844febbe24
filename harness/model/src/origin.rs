//! Where the answers of a scenario are defined, and so how far they hold.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::find_addon;

/// Where an answer is defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum AnswerOrigin {
    /// By the specification or the documentation of what is tried: it holds on every conformant
    /// cluster.
    Specification,
    /// By a release of a program, from this one on: `kubernetes 1.35`, or an addon and its version.
    Release(String),
    /// By this box's enforcer of NetworkPolicy and its kube-proxy: Kubernetes leaves it open, and
    /// other plugins choose otherwise.
    BoxEnforcer,
    /// By a program of the tests that stands in for a real one.
    StandIn,
}

impl AnswerOrigin {
    /// What is wrong with it, if anything is.
    #[must_use]
    pub(crate) fn origin_fault(&self) -> Option<String> {
        match self {
            Self::Release(text) if !is_release(text) => Some(format!(
                "`{text}` is not a release: write a program and its version, as in `kubernetes 1.35`"
            )),
            Self::Release(_) | Self::Specification | Self::BoxEnforcer | Self::StandIn => None,
        }
    }
}

/// Whether a text is a program that is known here and a version of it.
fn is_release(text: &str) -> bool {
    let Some((program, version)) = text.split_once(' ') else {
        return false;
    };
    let is_known = program == "kubernetes" || find_addon(program).is_some();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    is_known && version.split('.').count() > 1 && version.split('.').all(is_number)
}

impl fmt::Display for AnswerOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Specification => f.write_str("by the specification"),
            Self::Release(release) => write!(f, "from {release} on"),
            Self::BoxEnforcer => f.write_str("by this box's enforcer"),
            Self::StandIn => f.write_str("by a stand-in"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_program_and_its_version() {
        for good in [
            "kubernetes 1.35",
            "kyverno 1.19.1",
            "policy-controller 0.15.1",
        ] {
            assert_eq!(
                AnswerOrigin::Release(good.into()).origin_fault(),
                None,
                "{good}"
            );
        }
        for bad in [
            "",
            "1.35",
            "kubernetes",
            "kubernetes 1",
            "kubernetes v1.35",
            "kubelet 1.35",
        ] {
            let fault = AnswerOrigin::Release(bad.into()).origin_fault();
            assert!(fault.is_some_and(|what| what.contains(bad)), "{bad}");
        }
    }
}
