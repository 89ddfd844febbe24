//! What a step can look for in a record.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ObjectTarget;
use crate::node::NodeMatch;
use crate::scope::NAMESPACE_MARK;
use crate::storage::{CanaryMatch, LeakPlace};
use crate::system_users::{ACCOUNT_PREFIX, ANONYMOUS_USER, SYSTEM_PREFIX};

/// Where to look, and for what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ObservedRecord {
    /// The API server's audit log, from this world's beginning on.
    Audit(AuditMatch),
    /// The cluster's events about objects of the world's namespaces.
    Event(EventMatch),
    /// A counter of the API server, which must have grown since this world's beginning.
    Metric(MetricMatch),
    /// A warning that came with the reply to an earlier step.
    Warning(WarningMatch),
    /// A field of a stored object.
    Field(FieldMatch),
    /// An object: unseen once it is gone.
    Object(ObjectTarget),
    /// A pod of this workload, of any revision, that runs, comes or ends: unseen once none is left.
    Pods(ObjectTarget),
    /// What the API server says about a node.
    Node(NodeMatch),
    /// A planted value, in a place to which it can leak.
    Canary(CanaryMatch),
    /// What an earlier step was answered: a text in the reply's body or the output of a command, or
    /// the command's exit code.
    Output(OutputMatch),
}

/// An audit event: every key that is given has to match, in one event of stage `ResponseComplete`
/// or `ResponseStarted`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AuditMatch {
    /// The verb, such as `create`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// `objectRef.resource`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// `objectRef.subresource`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// `objectRef.name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `user.username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `impersonatedUser.username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonated: Option<String>,
    /// `responseStatus.code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Annotations: the key is there, and its value contains this text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The whole event, as JSON text, contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

impl ObservedRecord {
    /// The earlier step whose answer is looked at.
    #[must_use]
    pub fn earlier_step(&self) -> Option<&str> {
        match self {
            Self::Warning(warning) => Some(&warning.of),
            Self::Output(output) => Some(&output.of),
            Self::Canary(canary) => match &canary.place {
                LeakPlace::Reply(of) => Some(of),
                LeakPlace::EtcdValue(_)
                | LeakPlace::EtcdFiles
                | LeakPlace::Snapshot(_)
                | LeakPlace::Audit
                | LeakPlace::Events
                | LeakPlace::Field { .. }
                | LeakPlace::ComponentLog(_)
                | LeakPlace::PodLog(_)
                | LeakPlace::Image(_) => None,
            },
            Self::Audit(_)
            | Self::Event(_)
            | Self::Metric(_)
            | Self::Field(_)
            | Self::Object(_)
            | Self::Pods(_)
            | Self::Node(_) => None,
        }
    }
}

impl AuditMatch {
    /// Whether somebody is looked for who asks when he comes to it, and not before a step has its
    /// answer: a component, a node, a controller, an addon. The accounts of the world are whom steps
    /// ask as.
    #[must_use]
    pub fn is_of_component(&self) -> bool {
        let users = [&self.user, &self.impersonated];
        users.into_iter().flatten().any(|user| {
            let account = user.strip_prefix(ACCOUNT_PREFIX);
            user.starts_with(SYSTEM_PREFIX)
                && user != ANONYMOUS_USER
                && account.is_none_or(|account| !account.starts_with(NAMESPACE_MARK))
        })
    }
}

/// An event of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventMatch {
    /// Its reason, such as `FailedCreate`.
    pub reason: String,
    /// Its message contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

/// A counter on the API server's `/metrics`. A world with such a step has its cluster to itself
/// meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MetricMatch {
    /// Its name.
    pub name: String,
    /// Labels that the series has to carry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A warning header of the reply to an earlier step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WarningMatch {
    /// The id of that step.
    pub of: String,
    /// The text contains this.
    pub contains: String,
}

/// What an earlier step was answered: every key that is given has to match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OutputMatch {
    /// The id of that step.
    pub of: String,
    /// The reply's body, or what the command put out, contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// The command of an `exec` ended with this exit code. One that was refused has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
}

/// A field of a stored object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FieldMatch {
    /// The object.
    pub of: ObjectTarget,
    /// A JSON pointer (RFC 6901) into it, such as `/metadata/labels/team`.
    pub at: String,
    /// The field is this; any value where it is left out. A text is compared as it is, and stands
    /// without its quotes; anything else is compared as JSON, in which spaces and the order of keys
    /// say nothing, also where a text is such a list or mapping. What is looked for in an object
    /// that does not exist is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_no_user_of_a_step_asks_in_his_own_time() {
        let looks_for = |user: &str| AuditMatch {
            user: Some(user.to_owned()),
            ..AuditMatch::default()
        };
        for component in [
            "system:serviceaccount:kube-system:endpointslice-controller",
            "system:serviceaccount:kyverno:kyverno-background-controller",
            "system:apiserver",
            "system:kube-scheduler",
            "system:node:$(node)",
        ] {
            assert!(looks_for(component).is_of_component(), "{component}");
        }
        for asker in [
            "jane",
            "system:anonymous",
            "system:serviceaccount:$(namespace):app",
            "system:serviceaccount:$(namespace)-b:app",
        ] {
            assert!(!looks_for(asker).is_of_component(), "{asker}");
        }
        assert!(!AuditMatch::default().is_of_component());
    }
}
