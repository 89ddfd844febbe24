//! What the oracles have no opinion on.

use thiserror::Error;

/// Input that no API server would have stored, so that there is nothing to say about it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that is not a block of addresses.
    #[error("`{text}` is not a block of addresses, in policy `{policy}`")]
    Block {
        /// `NAMESPACE/NAME` of the policy.
        policy: String,
        /// What stands there.
        text: String,
    },
    /// A number that is not a port, or an end before the beginning.
    #[error("`{text}` is not a port or range of ports, in policy `{policy}`")]
    Port {
        /// `NAMESPACE/NAME` of the policy.
        policy: String,
        /// What stands there.
        text: String,
    },
    /// A protocol that policies do not know.
    #[error("`{text}` is not a protocol of a network policy, in `{policy}`")]
    Protocol {
        /// `NAMESPACE/NAME` of the policy.
        policy: String,
        /// What stands there.
        text: String,
    },
    /// A peer without any selector, or with a block beside a selector.
    #[error("a peer of policy `{policy}` is not one")]
    Peer {
        /// `NAMESPACE/NAME` of the policy.
        policy: String,
    },
    /// A text that is not a direction.
    #[error("`{text}` is not a direction, in policy `{policy}`")]
    Direction {
        /// `NAMESPACE/NAME` of the policy.
        policy: String,
        /// What stands there.
        text: String,
    },
    /// An operator that label selectors do not have, or values that do not go with it.
    #[error("`{operator}` is not an operator of a label selector, or not with these values")]
    Operator {
        /// What stands there.
        operator: String,
    },
    /// A pod, node or namespace that the cluster does not have.
    #[error("the cluster has no {kind} `{name}`")]
    Unknown {
        /// What it should have been.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A scenario that cannot be written down.
    #[error("failed to write the scenario")]
    Write {
        /// What the writer of YAML said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
