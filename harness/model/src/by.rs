//! The component that refused. The words for addons come from their table; the others are fixed.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use schemars::{JsonSchema, Schema};
use serde::de::value::{EnumAccessDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, Error, IntoDeserializer, VariantAccess, Visitor,
};
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
        match word.as_str() {
            "plugin" => {
                let plugin: String = read_behind(&word, behind)?;
                Ok(Refuser::Plugin(read_word(&plugin)?))
            }
            "scheduler" => {
                let reasons: Vec<String> = read_behind(&word, behind)?;
                let reasons = reasons.iter().map(|reason| read_word(reason));
                Ok(Refuser::Scheduler(reasons.collect::<Result<_, _>>()?))
            }
            _ if value_behind(&word).is_some() => {
                let name = read_behind(&word, behind)?;
                let fixed = name_refuser(&word, name);
                fixed.ok_or_else(|| A::Error::unknown_variant(&word, &[]))
            }
            _ => Refuser::deserialize(EnumAccessDeserializer::new(FixedWord { word, behind })),
        }
    }
}

/// What stands behind a word, in capitals where it is a name; nothing where it stands alone, or is
/// no word for a refuser.
fn value_behind(word: &str) -> Option<&'static str> {
    Some(match word {
        "policy" | "webhook" | "failing-closed" | "quota" | "process" => "NAME",
        "kubelet" | "container" | "controller" => "REASON",
        "plugin" => "PLUGIN",
        "scheduler" => "[REASON]",
        _ => {
            refusing_addons().find(|engine| engine.name == word)?;
            "POLICY"
        }
    })
}

/// How a refuser of this word is written, if it is one.
pub(crate) fn refuser_form(word: &str) -> Option<String> {
    let alone = [
        "pod-security",
        "rbac-escalation",
        "certificate-approval",
        "certificate-subject-restriction",
        "node-restriction",
        "disruption-budget",
    ];
    match value_behind(word) {
        Some(value) => Some(format!("by: {{ {word}: {value} }}")),
        None => alone.contains(&word).then(|| format!("by: {word}")),
    }
}

/// The refuser of this word with a name behind it.
fn name_refuser(word: &str, name: String) -> Option<Refuser> {
    Some(match word {
        "policy" => Refuser::Policy(name),
        "webhook" => Refuser::Webhook(name),
        "failing-closed" => Refuser::FailingClosed(name),
        "quota" => Refuser::Quota(name),
        "kubelet" => Refuser::Kubelet(name),
        "container" => Refuser::Container(name),
        "process" => Refuser::Process(name),
        "controller" => Refuser::Controller(name),
        _ => Refuser::Engine {
            engine: refusing_addons().find(|engine| engine.name == word)?,
            policy: space_names(&name),
        },
    })
}

/// What stands behind a word. Whatever is wrong with it, the form says what should.
fn read_behind<'de, T: Deserialize<'de>, V: VariantAccess<'de>>(
    word: &str,
    behind: V,
) -> Result<T, V::Error> {
    behind.newtype_variant().map_err(|_| {
        let form = refuser_form(word).unwrap_or_default();
        V::Error::custom(format!("`{word}` says what refused: `{form}`"))
    })
}

/// A word of an enumeration; one that it does not have is answered with those it has.
fn read_word<T: DeserializeOwned, E: Error>(word: &str) -> Result<T, E> {
    let word: StrDeserializer<'_, E> = word.into_deserializer();
    T::deserialize(word)
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
    use std::collections::BTreeMap;

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
        let why = read("{plugin: LimitRangr}").unwrap_err();
        assert!(why.contains("LimitRangr"), "{why}");
        assert!(read("{dns: a}").is_err(), "what never refuses");
        assert!(read("{engine: {engine: kyverno, policy: a}}").is_err());
    }

    #[test]
    fn a_word_in_another_form_is_answered_with_its_own() {
        for (yaml, form) in [
            ("{by: quota}", "by: { quota: NAME }"),
            ("{by: {quota: }}", "by: { quota: NAME }"),
            ("{by: {quota: [a]}}", "by: { quota: NAME }"),
            ("{by: {kyverno: {policy: a}}}", "by: { kyverno: POLICY }"),
            ("{by: plugin}", "by: { plugin: PLUGIN }"),
            ("{by: {scheduler: taint}}", "by: { scheduler: [REASON] }"),
        ] {
            let read = serde_saphyr::from_str::<BTreeMap<String, Refuser>>(yaml);
            let why = read.unwrap_err().to_string();
            assert!(why.contains(form), "{yaml}: {why}");
        }
    }

    #[test]
    fn every_word_has_its_form() {
        let schema = schemars::schema_for!(Refuser).to_value();
        let forms = schema["oneOf"].as_array().unwrap().iter();
        let words = forms.flat_map(|form| {
            let alone = form["enum"].as_array().into_iter().flatten();
            let alone = alone.chain(form.get("const")).filter_map(Value::as_str);
            let with = form["required"].as_array().into_iter().flatten();
            let words = alone.chain(with.filter_map(Value::as_str));
            words.map(str::to_owned).collect::<Vec<_>>()
        });
        let words: BTreeSet<String> = words.collect();
        assert!(words.len() > 15, "{words:?}");
        for word in words {
            assert!(refuser_form(&word).is_some(), "{word}");
        }
    }
}
