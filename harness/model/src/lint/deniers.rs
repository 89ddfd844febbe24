//! Who is expected to refuse has to be there: an engine that the world installs, and a policy, a
//! webhook, a quota or a budget that something in it makes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::generated::{generated_names, makes_object};
use super::{FindingPlace, LintNotes};
use crate::served::is_usual_plugin;
use crate::spelling::suggest_word;
use crate::{
    Action, AddonInstall, Answer, ClusterShape, LoadedScenario, PluginSwitches, PureAddon, Refuser,
    ScenarioStep, includes_addon,
};

const ENFORCE_LABEL: &str = "pod-security.kubernetes.io/enforce";
const POLICY_KINDS: [&str; 2] = ["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"];
const WEBHOOK_KINDS: [&str; 2] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
];

impl LintNotes<'_> {
    pub(super) fn check_deniers(&mut self) {
        let scenario = &self.loaded.scenario;
        let mut told = BTreeSet::new();
        for world in scenario.worlds.keys() {
            let made = MadeControls::collect(self.loaded, world);
            for step in scenario.steps_in(world) {
                let Some(Answer::Denied { by } | Answer::NotStarted { by }) =
                    step.intended_verdict(world)
                else {
                    continue;
                };
                for fault in made.denier_faults(by) {
                    if told.insert((step.id.as_str(), fault.word.clone(), fault.lacks.clone())) {
                        self.add_denier(step, world, &fault);
                    }
                }
            }
        }
    }

    fn add_denier(&mut self, step: &ScenarioStep, world: &str, fault: &DenierFault) {
        let what = format!(
            "step `{}` is refused by {by} in world `{world}`, {lacks}",
            step.id,
            by = fault.by,
            lacks = fault.lacks
        );
        let hint = fault.hint.clone();
        self.add_finding(FindingPlace::Expected(step, &fault.word), what, hint);
    }
}

/// What is wrong with a refuser.
struct DenierFault {
    /// The word to point at.
    word: String,
    /// Who refuses.
    by: String,
    /// What the world lacks of it, as half a sentence.
    lacks: String,
    hint: String,
}

/// What a world and its steps make.
struct MadeControls<'a> {
    install: BTreeSet<AddonInstall>,
    /// What is applied, and what the world's steps send.
    objects: Vec<&'a Value>,
    /// The configuration of admission plugins.
    admission: Vec<&'a Value>,
    /// Those that are turned on and off by name.
    switches: PluginSwitches,
    /// What steps say by themselves: labels, and commands that can make anything.
    said: String,
}

impl<'a> MadeControls<'a> {
    fn collect(loaded: &'a LoadedScenario, world: &str) -> Self {
        let scenario = &loaded.scenario;
        let own = scenario.worlds.get(world).cloned().unwrap_or_default();
        let steps: Vec<&ScenarioStep> = scenario.steps_in(world).collect();
        let applied = own.apply.iter().map(String::as_str);
        let sent = steps.iter().flat_map(|step| step.action.facts().reads);
        let files: BTreeSet<&str> = applied.chain(sent).collect();
        let held = |file: &str| loaded.manifests.get(file).into_iter().flatten();
        let objects = loaded
            .manifests
            .iter()
            .filter(|(file, _)| files.contains(file.as_str()))
            .flat_map(|(_, all)| all);
        let ClusterShape {
            admission,
            admission_plugins,
            ..
        } = scenario.world_shape(&own);
        let said = steps.iter().filter_map(|step| match &step.action {
            Action::Label { set, .. } => Some(set.keys().cloned().collect::<Vec<_>>().join(" ")),
            Action::Bind { labels, .. } => {
                Some(labels.keys().cloned().collect::<Vec<_>>().join(" "))
            }
            Action::Exec { command, .. } => Some(command.join(" ")),
            _ => None,
        });
        Self {
            install: scenario.world_installs(&own),
            objects: objects.map(|one| &one.object).collect(),
            admission: admission
                .iter()
                .flat_map(|file| held(file))
                .map(|one| &one.object)
                .collect(),
            switches: admission_plugins,
            said: said.collect::<Vec<_>>().join("\n"),
        }
    }

    fn denier_faults(&self, by: &Refuser) -> Vec<DenierFault> {
        if let Some(fault) = self.turned_off(by) {
            return vec![fault];
        }
        let fault = match by {
            Refuser::Engine { engine, policy } => return self.engine_faults(engine, policy),
            Refuser::Policy(name) => self.missing_object(by, name, &POLICY_KINDS, |name| {
                self.is_made_of_another(name)
            }),
            Refuser::Quota(name) => self.missing_object(by, name, &["ResourceQuota"], |_| false),
            Refuser::Webhook(name) | Refuser::FailingClosed(name) => self.missing_webhook(by, name),
            Refuser::DisruptionBudget => {
                let kind = "PodDisruptionBudget";
                let is_there =
                    self.names_of(&[kind]).next().is_some() || self.is_generated(&[kind], None);
                (!is_there).then(|| Self::missing_control(by, kind))
            }
            Refuser::PodSecurity => {
                let is_there = self.mentions(ENFORCE_LABEL) || self.configures("PodSecurity");
                (!is_there).then(|| Self::missing_control(by, ENFORCE_LABEL))
            }
            Refuser::Plugin(plugin) => {
                let name = plugin.to_string();
                let is_there = is_usual_plugin(&name) || self.configures(&name);
                (!is_there).then(|| DenierFault {
                    word: name.clone(),
                    by: by.to_string(),
                    lacks: "which does not turn it on".into(),
                    hint: format!(
                        "`admission-plugins: {{ enable: [{name}] }}` in the world's cluster, or name it in the file behind `admission`"
                    ),
                })
            }
            // They say what they are, or nobody makes them.
            Refuser::RbacEscalation
            | Refuser::CertificateApproval
            | Refuser::CertificateSubjectRestriction
            | Refuser::NodeRestriction
            | Refuser::Kubelet(_)
            | Refuser::Container(_)
            | Refuser::Process(_)
            | Refuser::Scheduler(_)
            | Refuser::Controller(_) => None,
        };
        fault.into_iter().collect()
    }

    /// An admission plugin that refuses, and that the world's cluster turns off.
    fn turned_off(&self, by: &Refuser) -> Option<DenierFault> {
        let plugin = match by {
            Refuser::PodSecurity => "PodSecurity".to_owned(),
            Refuser::CertificateApproval => "CertificateApproval".to_owned(),
            Refuser::CertificateSubjectRestriction => "CertificateSubjectRestriction".to_owned(),
            Refuser::NodeRestriction => "NodeRestriction".to_owned(),
            Refuser::Quota(_) => "ResourceQuota".to_owned(),
            Refuser::Plugin(plugin) => plugin.to_string(),
            // They are none, or several plugins refuse by them.
            Refuser::Policy(_)
            | Refuser::Webhook(_)
            | Refuser::FailingClosed(_)
            | Refuser::Engine { .. }
            | Refuser::RbacEscalation
            | Refuser::DisruptionBudget
            | Refuser::Kubelet(_)
            | Refuser::Container(_)
            | Refuser::Process(_)
            | Refuser::Scheduler(_)
            | Refuser::Controller(_) => return None,
        };
        self.switches
            .disable
            .contains(&plugin)
            .then(|| DenierFault {
                word: by
                    .to_string()
                    .split(' ')
                    .next_back()
                    .unwrap_or_default()
                    .to_owned(),
                by: by.to_string(),
                lacks: "which turns it off".into(),
                hint: format!("drop `{plugin}` from `disable` of `admission-plugins`"),
            })
    }

    fn engine_faults(&self, engine: &'static PureAddon, policy: &str) -> Vec<DenierFault> {
        if !includes_addon(&self.install, engine) {
            return vec![DenierFault {
                word: engine.name.to_owned(),
                by: engine.name.to_owned(),
                lacks: "which does not install it".into(),
                hint: format!("`install: [{}]`, or name who refuses", engine.name),
            }];
        }
        let names = policy.split(", ");
        let is_told_instead = |name: &&str| {
            let mut denials = engine.denials.iter();
            denials.any(|denial| denial.instead.contains(name))
        };
        let served = |object: &&&Value| {
            let version = object["apiVersion"].as_str().unwrap_or_default();
            let group = version.rsplit_once('/').map_or("", |(group, _)| group);
            engine.kinds.iter().any(|kind| kind.group == group)
        };
        let known: Vec<&str> = self
            .objects
            .iter()
            .filter(served)
            .filter_map(object_name)
            .collect();
        let unmade = names
            .filter(|name| !is_told_instead(name))
            .filter(|name| !known.contains(name) && !self.said.contains(name));
        unmade
            .map(|name| DenierFault {
                word: policy.to_owned(),
                by: format!("{} {name}", engine.name),
                lacks: "where nothing makes it".into(),
                hint: suggest_word(
                    name,
                    known.iter().copied(),
                    "apply the policy, or name one that is there",
                ),
            })
            .collect()
    }

    fn missing_object(
        &self,
        by: &Refuser,
        name: &str,
        kinds: &[&str],
        is_made: impl Fn(&str) -> bool,
    ) -> Option<DenierFault> {
        let generated = self.objects.iter().copied().flat_map(|object| {
            let of_kind = move |kind| generated_names(object, kind);
            kinds.iter().copied().flat_map(of_kind)
        });
        let known: Vec<&str> = self.names_of(kinds).chain(generated).collect();
        let is_there = known.contains(&name)
            || self.said.contains(name)
            || self.is_generated(kinds, Some(name))
            || is_made(name);
        (!is_there).then(|| DenierFault {
            word: name.to_owned(),
            by: by.to_string(),
            lacks: "where nothing makes it".into(),
            hint: suggest_word(name, known, "apply it there, or name one that is there"),
        })
    }

    fn missing_webhook(&self, by: &Refuser, name: &str) -> Option<DenierFault> {
        let of_kind = |object: &&&Value| {
            let kind = object["kind"].as_str().unwrap_or_default();
            WEBHOOK_KINDS.contains(&kind)
        };
        let hooks = self.objects.iter().filter(of_kind);
        let hooks = hooks.filter_map(|object| object["webhooks"].as_array());
        let known: Vec<&str> = hooks
            .flatten()
            .filter_map(|hook| hook["name"].as_str())
            .collect();
        let is_there = known.contains(&name)
            || self.said.contains(name)
            || self
                .install
                .iter()
                .any(|one| has_webhook(one.addon(), name));
        (!is_there).then(|| DenierFault {
            word: name.to_owned(),
            by: by.to_string(),
            lacks: "where nothing makes it".into(),
            hint: suggest_word(
                name,
                known,
                "apply its configuration there, or name one that is there",
            ),
        })
    }

    fn missing_control(by: &Refuser, what: &str) -> DenierFault {
        DenierFault {
            word: by.to_string(),
            by: by.to_string(),
            lacks: format!("where nothing makes a `{what}`"),
            hint: "apply it there, or name who refuses".into(),
        }
    }

    /// Whether an engine makes this admission policy of one of its own.
    fn is_made_of_another(&self, name: &str) -> bool {
        let addons = self.install.iter().map(|one| one.addon());
        let mut prefixes = addons.flat_map(|addon| addon.made_policy_prefixes);
        let origin = prefixes.find_map(|prefix| name.strip_prefix(prefix));
        origin.is_some_and(|origin| {
            self.objects
                .iter()
                .filter_map(object_name)
                .any(|one| one == origin)
        })
    }

    /// Whether a policy makes one of these kinds.
    fn is_generated(&self, kinds: &[&str], name: Option<&str>) -> bool {
        let mut objects = self.objects.iter();
        objects.any(|object| makes_object(object, kinds, name))
    }

    fn names_of(&self, kinds: &[&str]) -> impl Iterator<Item = &'a str> {
        let is_it = |object: &&&Value| {
            let kind = object["kind"].as_str().unwrap_or_default();
            kinds.contains(&kind)
        };
        let named: Vec<&'a str> = self
            .objects
            .iter()
            .filter(is_it)
            .filter_map(object_name)
            .collect();
        named.into_iter()
    }

    /// Whether something says this. A JSON patch has `~1` for `/` in its paths.
    fn mentions(&self, text: &str) -> bool {
        self.said.contains(text)
            || self
                .objects
                .iter()
                .any(|one| one.to_string().replace("~1", "/").contains(text))
    }

    fn configures(&self, plugin: &str) -> bool {
        let plugins = self
            .admission
            .iter()
            .filter_map(|one| one["plugins"].as_array());
        self.switches.enable.contains(plugin) || plugins.flatten().any(|one| one["name"] == plugin)
    }
}

fn object_name<'a>(object: &&'a Value) -> Option<&'a str> {
    object["metadata"]["name"].as_str()
}

/// Whether a webhook is an addon's: it says so, or is called after it or what it serves.
fn has_webhook(addon: &PureAddon, name: &str) -> bool {
    let serves = |kind: &crate::ObjectKind| !kind.group.is_empty() && name.contains(kind.group);
    addon.denials.iter().any(|denial| (denial.is_webhook)(name))
        || name.contains(addon.name)
        || addon.kinds.iter().any(serves)
}

#[cfg(test)]
mod tests;
