//! The component that refused. The words for addons come from their table; the others are fixed.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use schemars::{JsonSchema, Schema};
use serde::de::value::{EnumAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, EnumAccess, Error, IntoDeserializer, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::addons::space_names;
use crate::{ADDONS, Plugin, PureAddon, Unfit};

/// What refused, as precisely as the reply allows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, remote = "Self")]
#[schemars(transform = add_engines)]
pub enum Refuser {
    /// The built-in Pod Security admission.
    PodSecurity,
    /// A `ValidatingAdmissionPolicy` of this name, or a `MutatingAdmissionPolicy` that fails
    /// closed.
    Policy(String),
    /// An admission webhook of this name, with its own decision.
    Webhook(String),
    /// An admission webhook of this name could not be called, and its failure policy is `Fail`.
    FailingClosed(String),
    /// A policy engine, by the policy of this name. It is written `ENGINE: POLICY`.
    #[serde(skip)]
    Engine {
        /// The engine.
        engine: &'static PureAddon,
        /// The policy, or what it refused for where no policy did.
        policy: String,
    },
    /// RBAC's guard against granting, binding or aggregating rights that the user does not hold.
    RbacEscalation,
    /// The `CertificateApproval` admission plugin: the approver lacks `approve` on this signer.
    CertificateApproval,
    /// The `CertificateSubjectRestriction` admission plugin: no client certificate for
    /// `system:masters`.
    CertificateSubjectRestriction,
    /// The `NodeRestriction` admission plugin.
    NodeRestriction,
    /// Another of the API server's own admission plugins.
    Plugin(Plugin),
    /// A `ResourceQuota` of this name.
    Quota(String),
    /// A `PodDisruptionBudget` would be violated by this eviction.
    DisruptionBudget,
    /// The kubelet rejected the pod, with this pod status reason.
    Kubelet(String),
    /// A container cannot start, with this waiting or terminated reason.
    Container(String),
    /// A process of the box of this name ended instead of running.
    Process(String),
    /// The scheduler gives the pod no node, for all of these reasons.
    Scheduler(BTreeSet<Unfit>),
    /// The workload's controller gave up, with this reason of its condition.
    Controller(String),
}

impl fmt::Display for Refuser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PodSecurity => f.write_str("pod-security"),
            Self::Policy(name) => write!(f, "policy {name}"),
            Self::Webhook(name) => write!(f, "webhook {name}"),
            Self::FailingClosed(name) => write!(f, "webhook {name} failing closed"),
            Self::Engine { engine, policy } => write!(f, "{engine} {policy}"),
            Self::RbacEscalation => f.write_str("rbac-escalation"),
            Self::CertificateApproval => f.write_str("certificate-approval"),
            Self::CertificateSubjectRestriction => f.write_str("certificate-subject-restriction"),
            Self::NodeRestriction => f.write_str("node-restriction"),
            Self::Plugin(plugin) => write!(f, "plugin {plugin}"),
            Self::Quota(name) => write!(f, "quota {name}"),
            Self::DisruptionBudget => f.write_str("disruption-budget"),
            Self::Kubelet(reason) => write!(f, "kubelet {reason}"),
            Self::Container(reason) => write!(f, "container {reason}"),
            Self::Process(name) => write!(f, "process {name}"),
            Self::Scheduler(reasons) => {
                let reasons: Vec<String> = reasons.iter().map(Unfit::to_string).collect();
                write!(f, "scheduler {}", reasons.join(", "))
            }
            Self::Controller(reason) => write!(f, "controller {reason}"),
        }
    }
}

/// The addons that can refuse.
fn refusing_addons() -> impl Iterator<Item = &'static PureAddon> {
    ADDONS
        .iter()
        .copied()
        .filter(|addon| !addon.denials.is_empty())
}

impl Serialize for Refuser {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Engine { engine, policy } => {
                serializer.serialize_newtype_variant("By", u32::MAX, engine.name, policy)
            }
            fixed => Self::serialize(fixed, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Refuser {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("By", &[], RefuserVisitor)
    }
}

/// Reads a word, and what stands behind it.
struct RefuserVisitor;

impl<'de> Visitor<'de> for RefuserVisitor {
    type Value = Refuser;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word for who refused")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Refuser, A::Error> {
        let (word, behind): (String, _) = data.variant()?;
        match refusing_addons().find(|engine| engine.name == word) {
            Some(engine) => Ok(Refuser::Engine {
                engine,
                policy: space_names(&behind.newtype_variant::<String>()?),
            }),
            None => Refuser::deserialize(EnumAccessDeserializer::new(FixedWord { word, behind })),
        }
    }
}

/// A word that does not name an engine's, and what stands behind it.
struct FixedWord<V> {
    word: String,
    behind: V,
}

impl<'de, V: VariantAccess<'de>> EnumAccess<'de> for FixedWord<V> {
    type Error = V::Error;
    type Variant = V;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, V), V::Error> {
        let word: StrDeserializer<'_, UnknownWord> = self.word.as_str().into_deserializer();
        match seed.deserialize(word) {
            Ok(variant) => Ok((variant, self.behind)),
            Err(UnknownWord(fixed)) => {
                let words = REFUSER_WORDS.get_or_init(|| {
                    let engines = refusing_addons().map(|engine| engine.name);
                    fixed.iter().copied().chain(engines).collect()
                });
                Err(V::Error::unknown_variant(&self.word, words))
            }
        }
    }
}

/// All words that can stand here: the fixed ones and the engines'.
static REFUSER_WORDS: OnceLock<Vec<&'static str>> = OnceLock::new();

/// None of these words.
#[derive(Debug)]
struct UnknownWord(&'static [&'static str]);

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "none of {}", self.0.join(", "))
    }
}

impl std::error::Error for UnknownWord {}

impl serde::de::Error for UnknownWord {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

/// The engines' words in the schema, behind the fixed ones.
fn add_engines(schema: &mut Schema) {
    let Some(Value::Array(words)) = schema.get_mut("oneOf") else {
        return;
    };
    for engine in refusing_addons() {
        let about: Vec<&str> = engine.denials.iter().map(|denial| denial.about).collect();
        words.push(json!({
            "description": about.join(" "), "type": "object", "properties": { engine.name: {"type": "string"} },
            "required": [engine.name], "additionalProperties": false,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Refuser, String> {
        serde_saphyr::from_str(yaml).map_err(|why| why.to_string())
    }

    #[test]
    fn a_word_is_written_as_it_is_read() {
        for yaml in [
            "pod-security",
            "{quota: pods}",
            "{plugin: LimitRanger}",
            "{scheduler: [taint, capacity]}",
            "{kyverno: a}",
            "{policy-controller: no matching policies}",
        ] {
            let by = read(yaml).unwrap();
            let value: Value = serde_saphyr::from_str(yaml).unwrap();
            assert_eq!(serde_json::to_value(&by).unwrap(), value, "{yaml}");
            assert_eq!(
                serde_json::from_value::<Refuser>(value).unwrap(),
                by,
                "{yaml}"
            );
        }
        assert_eq!(
            read("{kyverno: a}").unwrap(),
            Refuser::Engine {
                engine: &crate::addons::kyverno::ADDON,
                policy: "a".into()
            }
        );
        assert_eq!(
            read("{kyverno: 'a,b'}").unwrap(),
            read("{kyverno: 'a, b'}").unwrap()
        );
    }

    #[test]
    fn a_word_that_nobody_knows_is_answered_with_those_there_are() {
        let why = read("{kyverna: a}").unwrap_err();
        assert!(
            why.contains("pod-security") && why.contains("controller, kyverno"),
            "{why}"
        );
        assert!(read("{dns: a}").is_err(), "what never refuses");
        assert!(read("{engine: {engine: kyverno, policy: a}}").is_err());
    }
}
