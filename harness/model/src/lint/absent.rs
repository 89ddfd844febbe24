//! What is looked for and meant to be absent in every world: a word that is misspelt is absent, too.
//! It has to be written somewhere else in the scenario, or be found by another step.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{FindingPlace, LintNotes};
use crate::spelling::suggest_word;
use crate::{
    Action, Answer, AuditMatch, CanaryMatch, EventMatch, FieldMatch, LeakPlace, MetricMatch,
    ObservedRecord, OutputMatch, ScenarioStep,
};

/// A word that can be misspelt.
struct RecordedWord<'a> {
    /// What it is.
    about: &'static str,
    text: &'a str,
    /// Whether it is the whole of what is recorded, and not a part.
    is_whole: bool,
}

impl<'a> RecordedWord<'a> {
    const fn whole(about: &'static str, text: &'a str) -> Self {
        Self {
            about,
            text,
            is_whole: true,
        }
    }

    const fn part(about: &'static str, text: &'a str) -> Self {
        Self {
            is_whole: false,
            ..Self::whole(about, text)
        }
    }

    /// Whether what another step finds shows that this is spelt well.
    fn is_shown_by(&self, found: &Self) -> bool {
        let is_same = if self.is_whole {
            found.text == self.text
        } else {
            found.text.contains(self.text)
        };
        found.about == self.about && is_same
    }

    /// Whether this text has it: a whole word not as a part of a longer one.
    fn is_in(&self, place: &str, wanted: &str) -> bool {
        let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric());
        let mut found = place.match_indices(wanted);
        found.any(|(at, _)| {
            let before = place[..at].chars().next_back();
            let behind = place[at + wanted.len()..].chars().next();
            !self.is_whole || !in_word(before) && !in_word(behind)
        })
    }
}

/// The codes that an API server answers with (kubernetes 1.36 `apimachinery/pkg/api/errors`, those
/// of success, and those of what it passes on).
const USUAL_CODES: [u16; 25] = [
    101, 200, 201, 202, 204, 301, 302, 304, 307, 400, 401, 403, 404, 405, 406, 408, 409, 410, 413,
    415, 422, 429, 500, 503, 504,
];

/// The codes that HTTP knows at all.
const ANY_CODE: std::ops::RangeInclusive<u16> = 100..=599;

/// How the keys of the API server's own annotations begin (kubernetes.io, "Audit Annotations", and
/// kubernetes 1.36 `plugin/pkg/admission/imagepolicy`, `apiserver/pkg/util/x509metrics`).
const ANNOTATION_KEYS: [&str; 21] = [
    "apiserver.latency.k8s.io/",
    "authentication.k8s.io/legacy-token",
    "authentication.k8s.io/stale-token",
    "authentication.kubernetes.io/",
    "authorization.k8s.io/decision",
    "authorization.k8s.io/reason",
    "failed-open.mutating.webhook.admission.k8s.io/round_",
    "failed-open.mutation.webhook.admission.k8s.io/round_",
    "failed-open.validating.webhook.admission.k8s.io/round_",
    "imagepolicywebhook.image-policy.k8s.io/",
    "insecure-sha1.invalid-cert.kubernetes.io/",
    "k8s.io/deprecated",
    "k8s.io/removed-release",
    "missing-san.invalid-cert.kubernetes.io/",
    "mutation.webhook.admission.k8s.io/round_",
    "patch.webhook.admission.k8s.io/round_",
    "pod-security.kubernetes.io/audit-violations",
    "pod-security.kubernetes.io/enforce-policy",
    "pod-security.kubernetes.io/error",
    "pod-security.kubernetes.io/exempt",
    "validation.policy.admission.k8s.io/validation_failure",
];

const ABSENCE_HINT: &str = "add a world in which it is found, or correct the spelling";

impl LintNotes<'_> {
    pub(super) fn check_absences(&mut self) {
        for step in &self.loaded.scenario.steps {
            let Action::LookFor(record) = &step.action else {
                continue;
            };
            if let ObservedRecord::Audit(wanted) = record {
                self.check_code(step, wanted);
            }
            if is_absent_everywhere(step) {
                self.check_words(step, record);
                if let ObservedRecord::Audit(wanted) = record {
                    self.check_annotations(step, wanted);
                }
                if let ObservedRecord::Output(wanted) = record {
                    self.check_exit_code(step, wanted);
                }
            }
        }
    }

    fn check_code(&mut self, step: &ScenarioStep, wanted: &AuditMatch) {
        let Some(code) = wanted.code else { return };
        let is_found = || {
            self.is_found(
                |other| matches!(other, ObservedRecord::Audit(one) if one.code == wanted.code),
            )
        };
        let text = code.to_string();
        let word = RecordedWord::whole("the code", &text);
        let is_meant = || is_found() || self.is_written(step, &word);
        let is_known = USUAL_CODES.contains(&code) || ANY_CODE.contains(&code) && is_meant();
        if !is_known {
            let what = format!(
                "step `{}` looks for the code {code}, which an API server does not answer with",
                step.id
            );
            let codes = USUAL_CODES.map(|code| code.to_string());
            let there = format!("it answers with {}", codes.join(", "));
            let hint = suggest_word(&text, codes.iter().map(String::as_str), &there);
            self.add_finding(FindingPlace::InStep(step, &text), what, hint);
        }
    }

    /// A code with which nothing ends shows as little as a text that nothing says.
    fn check_exit_code(&mut self, step: &ScenarioStep, wanted: &OutputMatch) {
        let Some(code) = wanted.exit else { return };
        let is_found = self.is_found(
            |other| matches!(other, ObservedRecord::Output(one) if one.exit == wanted.exit),
        );
        if !is_found {
            let what = format!(
                "step `{}` looks for the exit code {code}, found in no world",
                step.id
            );
            let hint = "add a world in which it is found, or look for the code that is meant";
            self.add_finding(FindingPlace::InStep(step, &code.to_string()), what, hint);
        }
    }

    fn check_words(&mut self, step: &ScenarioStep, record: &ObservedRecord) {
        for word in recorded_words(record) {
            let is_same = |other: &ObservedRecord| {
                let words = recorded_words(other);
                words.iter().any(|found| word.is_shown_by(found))
            };
            if word.text.is_empty() || self.is_found(is_same) || self.is_written(step, &word) {
                continue;
            }
            let what = format!(
                "step `{}` looks for {} `{}`, found in no world and written nowhere else",
                step.id, word.about, word.text
            );
            self.add_finding(FindingPlace::InStep(step, word.text), what, ABSENCE_HINT);
        }
    }

    fn check_annotations(&mut self, step: &ScenarioStep, wanted: &AuditMatch) {
        for key in wanted.annotations.keys() {
            let is_same = |other: &ObservedRecord| matches!(other, ObservedRecord::Audit(one) if one.annotations.contains_key(key));
            let is_usual = ANNOTATION_KEYS.iter().any(|begin| key.starts_with(begin));
            // A policy's own: `POLICY/KEY`.
            let is_of_policy = || {
                key.rsplit_once('/').is_some_and(|(policy, name)| {
                    let parts = [policy, name].map(|text| RecordedWord::whole("the key", text));
                    parts.iter().all(|part| self.is_written(step, part))
                })
            };
            if !is_usual && !self.is_found(is_same) && !is_of_policy() {
                let what = format!(
                    "step `{}` looks for the annotation `{key}`, which nothing shows to be one",
                    step.id
                );
                let hint = suggest_word(key, ANNOTATION_KEYS, ABSENCE_HINT);
                self.add_finding(FindingPlace::InStep(step, key), what, hint);
            }
        }
    }

    /// Whether a file of the scenario, or another step that shows something, has this text: as it
    /// is, in base64 or out of it, or in parts between placeholders.
    fn is_written(&self, step: &ScenarioStep, word: &RecordedWord<'_>) -> bool {
        let places = self.written_texts(step);
        let holds = |wanted: &str| {
            let quoted = Value::from(wanted).to_string();
            let inner = quoted.trim_matches('"');
            let has = |place: &String| word.is_in(place, inner) || word.is_in(place, wanted);
            places.iter().any(has)
        };
        let text = word.text;
        let encoded = STANDARD.encode(text);
        let decoded = STANDARD.decode(text).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = plain_parts(text);
        holds(text)
            || holds(&encoded)
            || decoded.is_some_and(|decoded| decoded.len() > 2 && holds(&decoded))
            || parts.len() > 1 && parts.iter().all(|part| holds(part))
            || parts.is_empty()
    }

    /// The texts of the scenario's files, and of its steps but for this one and those that show
    /// nothing.
    fn written_texts(&self, step: &ScenarioStep) -> Vec<String> {
        let loaded = self.loaded;
        let manifests = loaded.manifests.values().flatten();
        let manifests = manifests.map(|one| one.object.to_string());
        let files = loaded
            .texts()
            .filter_map(|name| loaded.file_text(name).ok());
        let others = loaded
            .scenario
            .steps
            .iter()
            .filter(|other| other.id != step.id && !is_absent_everywhere(other));
        let steps = others.flat_map(|other| {
            let action = serde_json::to_string(&other.action).ok();
            let identity = serde_json::to_string(&other.identity).ok();
            action
                .into_iter()
                .chain(identity)
                .chain(other.namespace.clone())
        });
        manifests.chain(files).chain(steps).collect()
    }
}

/// Whether a step looks for something that no world is meant to have.
fn is_absent_everywhere(step: &ScenarioStep) -> bool {
    let each = step.expect_in.iter().flat_map(|each| each.values());
    let mut intents = step.expect.iter().chain(each).peekable();
    matches!(step.action, Action::LookFor(_))
        && intents.peek().is_some()
        && intents.all(|answer| *answer == Answer::Absent)
}

/// The words of a record that only its author chose; verbs, resources, users and reasons are looked
/// up elsewhere.
fn recorded_words<'a>(record: &'a ObservedRecord) -> Vec<RecordedWord<'a>> {
    let part = |about: &'static str, text: &'a String| RecordedWord::part(about, text);
    let whole = |about: &'static str, text: &'a String| RecordedWord::whole(about, text);
    match record {
        ObservedRecord::Audit(AuditMatch {
            name,
            annotations,
            contains,
            ..
        }) => {
            let name = name.iter().map(|name| whole("the name", name));
            let notes = annotations.values();
            let notes = notes.map(|text| part("the annotation's text", text));
            let text = contains.iter().map(|text| part("the text", text));
            name.chain(notes).chain(text).collect()
        }
        ObservedRecord::Event(EventMatch { contains, .. }) => {
            contains.iter().map(|text| part("the text", text)).collect()
        }
        ObservedRecord::Metric(MetricMatch { labels, .. }) => {
            let keys = labels.keys().map(|key| whole("the label", key));
            let values = labels.values();
            keys.chain(values.map(|value| whole("the label's value", value)))
                .collect()
        }
        ObservedRecord::Output(OutputMatch { contains, .. }) => {
            contains.iter().map(|text| part("the text", text)).collect()
        }
        ObservedRecord::Field(FieldMatch { of, equals, .. }) => {
            let value = equals.iter().filter(|text| !is_plain_value(text));
            let value = value.map(|text| whole("the value", text));
            [whole("the object", &of.name)]
                .into_iter()
                .chain(value)
                .collect()
        }
        ObservedRecord::Object(target) | ObservedRecord::Pods(target) => {
            vec![whole("the object", &target.name)]
        }
        ObservedRecord::Canary(CanaryMatch {
            place: LeakPlace::Field { of, .. },
            ..
        }) => vec![whole("the object", &of.name)],
        ObservedRecord::Warning(_) | ObservedRecord::Node(_) | ObservedRecord::Canary(_) => {
            Vec::new()
        }
    }
}

/// What a condition's status can be.
const CONDITION_STATUSES: [&str; 3] = ["True", "False", "Unknown"];

/// Numbers, truth values and the statuses of conditions are not misspelt.
fn is_plain_value(text: &str) -> bool {
    if CONDITION_STATUSES.contains(&text) {
        return true;
    }
    let value: Result<Value, _> = serde_json::from_str(text);
    value.is_ok_and(|value| value.is_number() || value.is_boolean() || value.is_null())
}

/// What stands between the placeholders of a text, without what is only a sign.
fn plain_parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for (index, piece) in text.split("$(").enumerate() {
        let plain = match index {
            0 => piece,
            _ => piece.split_once(')').map_or(piece, |(_, plain)| plain),
        };
        let plain = plain.trim_matches(|c: char| !c.is_alphanumeric());
        if !plain.is_empty() {
            parts.push(plain);
        }
    }
    parts
}

#[cfg(test)]
mod tests;
