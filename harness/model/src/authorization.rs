//! Who an API server asks whether a user may do something.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A word of the API server's `--authorization-mode`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum AuthorizationMode {
    /// What a kubelet may do follows from the pods that are bound to its node.
    Node,
    /// Roles and their bindings.
    #[serde(rename = "RBAC")]
    Rbac,
    /// Everybody who is authenticated may do everything. Nobody is anonymous then, unless a file of
    /// `authentication` allows it.
    AlwaysAllow,
    /// Refused by the lint: beside others it changes nothing, and alone no controller could work.
    AlwaysDeny,
    /// Refused by the lint: it needs a file of policies of its own, which nothing here reads.
    #[serde(rename = "ABAC")]
    Abac,
    /// Refused by the lint: it needs a program that answers, which no box has.
    Webhook,
}

/// What the API server of a box, and of every usual cluster, asks in this order.
pub const USUAL_AUTHORIZATION: [AuthorizationMode; 2] =
    [AuthorizationMode::Node, AuthorizationMode::Rbac];

impl AuthorizationMode {
    /// As the API server calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Rbac => "RBAC",
            Self::AlwaysAllow => "AlwaysAllow",
            Self::AlwaysDeny => "AlwaysDeny",
            Self::Abac => "ABAC",
            Self::Webhook => "Webhook",
        }
    }

    /// Why no box can have it, where none can.
    #[must_use]
    pub fn why_not(self) -> Option<&'static str> {
        match self {
            Self::Node | Self::Rbac | Self::AlwaysAllow => None,
            Self::AlwaysDeny => {
                Some("beside others it changes nothing, and alone no controller could work")
            }
            Self::Abac => Some("it reads a file of policies, for which there is no key here"),
            Self::Webhook => Some("it asks a program beside the API server, and a box has none"),
        }
    }
}

impl std::fmt::Display for AuthorizationMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(crate) fn is_usual_authorization(modes: &[AuthorizationMode]) -> bool {
    modes == USUAL_AUTHORIZATION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_read_and_written_in_the_api_servers_word() {
        for mode in [
            AuthorizationMode::Node,
            AuthorizationMode::Rbac,
            AuthorizationMode::AlwaysAllow,
            AuthorizationMode::AlwaysDeny,
            AuthorizationMode::Abac,
            AuthorizationMode::Webhook,
        ] {
            let word = serde_json::Value::from(mode.as_str());
            assert_eq!(serde_json::to_value(mode).unwrap(), word);
            assert_eq!(
                serde_json::from_value::<AuthorizationMode>(word).unwrap(),
                mode
            );
        }
    }
}
