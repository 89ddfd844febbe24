//! What the oracle says, and why.

use std::fmt;

/// Whether a connection is let through, by both of its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkVerdict {
    /// What the policies on the client say.
    pub egress: GateVerdict,
    /// What the policies on the server say.
    pub ingress: GateVerdict,
}

/// One direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateVerdict {
    /// No policy has a say.
    Free(FreeReason),
    /// A rule lets it through.
    Open {
        /// `NAMESPACE/NAME` of the policy.
        policy: String,
        /// Which of its rules of this direction, from 0.
        rule: usize,
    },
    /// Policies isolate the pod in this direction, and no rule of theirs lets it through.
    Shut {
        /// `NAMESPACE/NAME` of each.
        isolated_by: Vec<String>,
    },
}

/// Why no policy has a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeReason {
    /// That end is not a pod with its own address.
    NoPod,
    /// No policy isolates that pod in this direction.
    NotIsolated,
    /// A pod and itself.
    Itself,
    /// A pod and the node that it runs on.
    OwnNode,
}

impl GateVerdict {
    /// Whether it lets the connection through.
    #[must_use]
    pub fn lets_through(&self) -> bool {
        !matches!(self, Self::Shut { .. })
    }
}

impl NetworkVerdict {
    /// Whether both ends let it through.
    #[must_use]
    pub fn reached(&self) -> bool {
        self.egress.lets_through() && self.ingress.lets_through()
    }
}

impl fmt::Display for FreeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPod => "not a pod with its own network",
            Self::NotIsolated => "not isolated",
            Self::Itself => "the pod itself",
            Self::OwnNode => "the pod's own node",
        })
    }
}

impl fmt::Display for GateVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free(why) => write!(f, "free ({why})"),
            Self::Open { policy, rule } => write!(f, "allowed by rule {rule} of {policy}"),
            Self::Shut { isolated_by } => {
                write!(
                    f,
                    "isolated by {}, and allowed by no rule",
                    isolated_by.join(" and ")
                )
            }
        }
    }
}

impl fmt::Display for NetworkVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.reached() { "reached" } else { "blocked" };
        write!(
            f,
            "{word}: egress {}; ingress {}",
            self.egress, self.ingress
        )
    }
}
