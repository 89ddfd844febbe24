//! Names that no server answers to: a kind or a resource that the API server does not serve, and a
//! field or a verb that is misspelt. What is looked for under such a name is never there, and
//! `unseen` would be believed.

use serde_json::Value;

use super::missing_addons::addon_of_kind;
use super::{FindingPlace, LintNotes};
use crate::kinds::object_kinds;
use crate::served::{own_resources, own_resources_called};
use crate::spelling::{nearest_word, plural_name, suggest_word};
use crate::{
    Action, Answer, AuditMatch, CanaryMatch, EventMatch, FieldMatch, KindIsolation, LeakPlace,
    MetricMatch, ObjectTarget, ObservedRecord, ScenarioStep, WarningMatch, WatchedValue,
    object_kind_called,
};

/// What the audit log names as resources beside those that are served: what somebody is
/// impersonated as.
pub(super) const IMPERSONATED_PARTS: [&str; 4] = ["groups", "uids", "users", "userextras"];

/// The verbs of the audit log: those of requests for objects, and the methods of others.
const AUDIT_VERBS: [&str; 14] = [
    "approve",
    "create",
    "delete",
    "deletecollection",
    "get",
    "head",
    "list",
    "options",
    "patch",
    "post",
    "put",
    "update",
    "watch",
    "connect",
];

impl LintNotes<'_> {
    pub(super) fn check_resources(&mut self) {
        for step in &self.loaded.scenario.steps {
            for target in named_targets(&step.action) {
                if object_kind_called(&target.kind).is_none() && !self.serves(&target.kind) {
                    self.add_unknown(step, &target.kind, "kind");
                }
            }
            for target in etcd_targets(&step.action) {
                self.check_kept(step, target);
            }
            match &step.action {
                Action::List { resource, .. } if !self.serves(resource) => {
                    self.add_unknown(step, resource, "resource");
                }
                Action::DeleteLabelled { kind, labels } => {
                    self.check_labelled(step, kind, labels);
                }
                Action::LookFor(ObservedRecord::Audit(wanted)) => self.check_audit(step, wanted),
                Action::LookFor(ObservedRecord::Field(FieldMatch { of, at, .. })) => {
                    self.check_field(step, of, at);
                }
                Action::LookFor(ObservedRecord::Canary(CanaryMatch {
                    place: LeakPlace::Field { of, at },
                    ..
                })) => self.check_field(step, of, at),
                Action::LookFor(record) => self.check_spelling(step, record),
                _ => {}
            }
        }
    }

    /// What has these labels beyond namespaces need not be the world's.
    fn check_labelled(&mut self, step: &ScenarioStep, kind: &str, labels: &str) {
        if labels.trim().is_empty() {
            self.add_finding(
                FindingPlace::InStep(step, "labels"),
                format!("step `{}` selects every object by no label", step.id),
                "write a label selector, as in `app=web`",
            );
        }
        match object_kind_called(kind).map(|one| one.isolation) {
            Some(KindIsolation::Namespace) => {}
            None if self.serves(kind) => {}
            None => self.add_unknown(step, kind, "kind"),
            Some(_) => {
                let what = format!(
                    "step `{}` deletes what has labels of the kind `{kind}`, which is of the whole cluster",
                    step.id
                );
                let hint = "`delete-collection: KIND/NAME` deletes one of them by the same verb";
                self.add_finding(FindingPlace::InStep(step, kind), what, hint);
            }
        }
    }

    /// A question is answered and not kept: etcd has nothing of it.
    fn check_kept(&mut self, step: &ScenarioStep, target: &ObjectTarget) {
        let mut own = own_resources_called(&target.kind).peekable();
        let is_own = own.peek().is_some() && !self.defines(&target.kind);
        if is_own && own.all(|one| one.folder.is_none()) {
            let what = format!(
                "step `{}` looks in etcd for a `{}`, which the API server does not keep",
                step.id, target.kind
            );
            let hint = "take a kind whose objects can be read again";
            self.add_finding(FindingPlace::InStep(step, &target.kind), what, hint);
        }
    }

    fn add_unknown(&mut self, step: &ScenarioStep, name: &str, what: &str) {
        let plain = "a resource is written in the plural, as in `secrets`, a kind in the singular, each with its group where it is ambiguous";
        let plurals: Vec<String> = self.plurals().collect();
        let kinds: Vec<String> = object_kinds()
            .map(|kind| kind.kind.to_lowercase())
            .collect();
        let words = if what == "kind" { &kinds } else { &plurals };
        let hint = suggest_word(name, words.iter().map(String::as_str), plain);
        self.add_finding(
            FindingPlace::InStep(step, name),
            format!(
                "step `{}` names the {what} `{name}`, which the API does not serve",
                step.id
            ),
            hint,
        );
    }

    fn check_audit(&mut self, step: &ScenarioStep, wanted: &AuditMatch) {
        if let Some(resource) = &wanted.resource
            && !(self.plurals().any(|plural| plural == *resource) || resource.contains("$("))
        {
            self.add_unknown(step, resource, "resource");
        }
        if let Some(verb) = &wanted.verb
            && !(AUDIT_VERBS.contains(&verb.as_str()) || verb.contains("$("))
        {
            let what = format!(
                "step `{}` looks for the verb `{verb}`, which no request has",
                step.id
            );
            let there = format!("there are {}", AUDIT_VERBS.join(", "));
            let hint = suggest_word(verb, AUDIT_VERBS, &there);
            self.add_finding(FindingPlace::InStep(step, verb), what, hint);
        }
    }

    /// Whether a step that looks for such a thing is meant to find it in some world.
    pub(super) fn is_found(&self, is_same: impl Fn(&ObservedRecord) -> bool) -> bool {
        self.loaded.scenario.steps.iter().any(|other| {
            let mut intents = other
                .expect
                .iter()
                .chain(other.expect_in.iter().flat_map(|each| each.values()));
            matches!(&other.action, Action::LookFor(record) if is_same(record))
                && intents.any(|answer| *answer == Answer::Found)
        })
    }

    /// A reason, a metric or a text of a warning that may be misspelt: nothing of this scenario shows
    /// that there is one.
    fn check_spelling(&mut self, step: &ScenarioStep, record: &ObservedRecord) {
        let (what, is_seen) = match record {
            ObservedRecord::Event(EventMatch { reason, .. }) => (
                format!("events with the reason `{reason}`"),
                self.is_found(
                    |other| matches!(other, ObservedRecord::Event(one) if one.reason == *reason),
                ),
            ),
            ObservedRecord::Metric(MetricMatch { name, .. }) => (
                format!("the metric `{name}`"),
                self.is_found(
                    |other| matches!(other, ObservedRecord::Metric(one) if one.name == *name),
                ),
            ),
            ObservedRecord::Warning(WarningMatch { contains, .. }) => (
                format!("a warning with `{contains}`"),
                self.is_found(
                    |other| matches!(other, ObservedRecord::Warning(one) if one.contains.contains(contains)),
                ),
            ),
            _ => return,
        };
        if !is_seen {
            self.add_finding(
                FindingPlace::Step(step),
                format!("step `{}` looks for {what}, seen in no world", step.id),
                "add a world in which it is seen, or correct the spelling",
            );
        }
    }

    /// A field that is not where the scenario's own manifest has one that is called almost the
    /// same, and that is found in no world.
    fn check_field(&mut self, step: &ScenarioStep, of: &ObjectTarget, at: &str) {
        if self.is_found(|record| looked_field(record) == Some((of, at))) {
            return;
        }
        let kind = of.kind.split('.').next().unwrap_or_default();
        let all = self.loaded.manifests.values().flatten();
        let objects: Vec<&Value> = all
            .filter(|one| one.kind().to_lowercase() == kind && one.name() == of.name)
            .map(|one| &one.object)
            .collect();
        let is_there = objects.iter().any(|object| object.pointer(at).is_some());
        let meant = objects
            .iter()
            .find_map(|object| nearest_field(object, at))
            .filter(|_| !is_there);
        if let Some((wrong, right)) = meant {
            let what = format!("step `{}` looks at a field `{wrong}`", step.id);
            self.add_finding(
                FindingPlace::InStep(step, at),
                what,
                format!("the manifest has `{right}` there"),
            );
        }
    }

    /// Whether a resource or a kind is called so, perhaps with its group behind it.
    fn serves(&self, whole: &str) -> bool {
        own_resources_called(whole).next().is_some()
            || self.defines(whole)
            || addon_of_kind(whole).is_some()
    }

    /// Every resource that there is, in the plural.
    fn plurals(&self) -> impl Iterator<Item = String> {
        let own = self
            .definitions()
            .filter_map(|spec| spec["names"]["plural"].as_str())
            .map(str::to_owned);
        object_kinds()
            .map(|kind| plural_name(kind.kind))
            .chain(own_resources().map(|one| one.plural.to_owned()))
            .chain(IMPERSONATED_PARTS.map(str::to_owned))
            .chain(own)
    }

    /// Whether a definition of the scenario's own makes this kind.
    pub(super) fn defines(&self, kind: &str) -> bool {
        let (name, group) = kind
            .split_once('.')
            .map_or((kind, None), |(name, group)| (name, Some(group)));
        self.definitions().any(|spec| {
            let names = &spec["names"];
            let is_named = ["plural", "singular", "kind"].iter().any(|key| {
                let word = names[key].as_str();
                word.is_some_and(|one| one.to_lowercase() == name)
            });
            is_named && group.is_none_or(|group| spec["group"] == *group)
        })
    }

    fn definitions(&self) -> impl Iterator<Item = &Value> {
        let all = self.loaded.manifests.values().flatten();
        all.filter(|one| one.kind() == "CustomResourceDefinition")
            .map(|one| &one.object["spec"])
    }
}

/// The objects that an action names.
pub(super) fn named_targets(action: &Action) -> Vec<&ObjectTarget> {
    match action {
        Action::Get(target) | Action::WaitRunning(target) | Action::ReadEtcdValue(target) => {
            vec![target]
        }
        Action::CopyEtcdValue(transplant) => vec![&transplant.from, &transplant.to],
        Action::Rotate(rotate) => rotate.watch.values().filter_map(of_watched).collect(),
        Action::LookFor(ObservedRecord::Field(FieldMatch { of, .. })) => vec![of],
        Action::LookFor(ObservedRecord::Object(target) | ObservedRecord::Pods(target)) => {
            vec![target]
        }
        Action::LookFor(ObservedRecord::Canary(CanaryMatch { place, .. })) => {
            of_place(place).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The objects whose bytes in etcd an action names.
fn etcd_targets(action: &Action) -> Vec<&ObjectTarget> {
    match action {
        Action::ReadEtcdValue(target)
        | Action::LookFor(ObservedRecord::Canary(CanaryMatch {
            place: LeakPlace::EtcdValue(target),
            ..
        })) => vec![target],
        Action::CopyEtcdValue(transplant) => vec![&transplant.from, &transplant.to],
        _ => Vec::new(),
    }
}

/// The field that a record is: its object and where it is in it.
fn looked_field(record: &ObservedRecord) -> Option<(&ObjectTarget, &str)> {
    match record {
        ObservedRecord::Field(FieldMatch { of, at, .. })
        | ObservedRecord::Canary(CanaryMatch {
            place: LeakPlace::Field { of, at },
            ..
        }) => Some((of, at)),
        _ => None,
    }
}

fn of_watched(watched: &WatchedValue) -> Option<&ObjectTarget> {
    match watched {
        WatchedValue::Object(target) => Some(target),
        WatchedValue::File { .. } | WatchedValue::Environment { .. } => None,
    }
}

fn of_place(place: &LeakPlace) -> Option<&ObjectTarget> {
    match place {
        LeakPlace::EtcdValue(target) => Some(target),
        LeakPlace::Field { of, .. } => Some(of),
        LeakPlace::EtcdFiles
        | LeakPlace::Snapshot(_)
        | LeakPlace::ComponentLog(_)
        | LeakPlace::Audit
        | LeakPlace::PodLog(_)
        | LeakPlace::Image(_)
        | LeakPlace::Events
        | LeakPlace::Reply(_) => None,
    }
}

/// Whether a kind is called so, in the singular or the plural.
pub(super) fn is_called(kind: &str, name: &str) -> bool {
    kind.to_lowercase() == name || plural_name(kind) == name
}

/// Whether two names differ only in a last part of one letter, as `zone-a` and `zone-b` do: both are
/// meant.
fn are_numbered(one: &str, other: &str) -> bool {
    let stem = |name: &str| {
        name.rsplit_once(['-', '_', '.', '/'])
            .filter(|(_, last)| last.chars().count() == 1)
            .map(|(stem, _)| stem.to_owned())
    };
    stem(one).is_some_and(|own| stem(other) == Some(own))
}

/// The first word of a pointer that an object lacks where it has another one that is written almost
/// the same.
fn nearest_field(object: &Value, pointer: &str) -> Option<(String, String)> {
    let mut at = object;
    for word in pointer.split('/').skip(1) {
        let word = word.replace("~1", "/").replace("~0", "~");
        let next = match at {
            Value::Object(fields) => fields.get(&word),
            Value::Array(items) => word
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index)),
            _ => None,
        };
        if let Some(next) = next {
            at = next;
            continue;
        }
        let fields = at.as_object()?;
        let others = fields.keys().filter(|key| !are_numbered(key, &word));
        let near = nearest_word(&word, others.map(String::as_str));
        return near.map(|key| (word.clone(), key.to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::{ScenarioLibrary, lint_scenario};

    fn findings(step: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pods/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{apply: [a.yaml]}}}}\nsteps:\n\
             - {{id: first, do: {{path: /version}}, expect: allowed}}\n- {{id: one, do: {step}}}\n"
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        let own = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n---\n\
            apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n\
            spec: {group: $(namespace).test, names: {plural: widgets, singular: widget, kind: Widget}}\n";
        fs::write(dir.join("a.yaml"), own).unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let found = lint_scenario(&library.scenarios[0]).into_iter();
        found.map(|finding| finding.what).collect()
    }

    #[test]
    fn a_name_that_nobody_answers_to_is_found() {
        for (step, what) in [
            (
                "{list: {resource: podz}}, expect: allowed",
                "step `one` names the resource `podz`, which the API does not serve",
            ),
            (
                "{delete-labelled: {kind: podd, labels: a=b}}, expect: admitted",
                "step `one` names the kind `podd`, which the API does not serve",
            ),
            (
                "{delete-labelled: {kind: pod, labels: ' '}}, expect: admitted",
                "step `one` selects every object by no label",
            ),
            (
                "{delete-labelled: {kind: namespace, labels: a=b}}, expect: admitted",
                "step `one` deletes what has labels of the kind `namespace`, which is of the whole cluster",
            ),
            (
                "{look-for: {audit: {resource: pod}}}, expect: absent",
                "step `one` names the resource `pod`, which the API does not serve",
            ),
            (
                "{look-for: {audit: {verb: creat}}}, expect: absent",
                "step `one` looks for the verb `creat`, which no request has",
            ),
            (
                "{look-for: {field: {of: pod/a, at: /spec/container/0}}}, expect: absent",
                "step `one` looks at a field `container`",
            ),
            (
                "{look-for: {event: {reason: FailedCreat}}}, expect: absent",
                "step `one` looks for events with the reason `FailedCreat`, seen in no world",
            ),
            (
                "{look-for: {metric: {name: apiserver_request_totals}}}, expect: absent",
                "step `one` looks for the metric `apiserver_request_totals`, seen in no world",
            ),
            (
                "{look-for: {warning: {of: first, contains: woudl violate}}}, expect: absent",
                "step `one` looks for a warning with `woudl violate`, seen in no world",
            ),
            (
                "{look-for: {object: podd/a}}, expect: absent",
                "step `one` names the kind `podd`, which the API does not serve",
            ),
            (
                "{read-etcd-value: tokenreview/a}, expect: plaintext",
                "step `one` looks in etcd for a `tokenreview`, which the API server does not keep",
            ),
            (
                "{get: widget.other.test/a}, expect: allowed",
                "step `one` names the kind `widget.other.test`, which the API does not serve",
            ),
        ] {
            assert_eq!(findings(step), [what]);
        }
    }

    #[test]
    fn what_is_served_is_left_alone() {
        for step in [
            "{list: {resource: roles.rbac.authorization.k8s.io}}, expect: allowed",
            "{list: {resource: storageclasses}}, expect: allowed",
            "{get: storageclass/a}, expect: allowed",
            "{get: ingressclass.networking.k8s.io/a}, expect: allowed",
            "{read-etcd-value: prioritylevelconfiguration/a}, expect: plaintext",
            "{list: {resource: widgets.$(namespace).test}}, expect: allowed",
            "{get: widget.$(namespace).test/a}, expect: allowed",
            "{look-for: {audit: {verb: get, resource: widgets}}}, expect: found",
            "{look-for: {field: {of: pod/a, at: /spec/nodeName}}}, expect: found",
            "{look-for: {event: {reason: FailedCreate}}}, expect: found",
            "{look-for: {metric: {name: apiserver_request_total}}}, expect: found",
        ] {
            assert_eq!(findings(step), Vec::<String>::new(), "{step}");
        }
    }

    #[test]
    fn a_word_that_is_almost_there_is_found() {
        let pod = json!({"spec": {"containers": [{"name": "a"}], "id": 1}});
        let of = |pointer: &str| nearest_field(&pod, pointer);
        assert_eq!(
            of("/spec/container/0/name"),
            Some(("container".into(), "containers".into()))
        );
        assert_eq!(of("/spec/containers/0/nama").unwrap().1, "name");
        for fine in [
            "/spec/containers/0/name",
            "/spec/containers/1",
            "/status",
            "/spec/nodeName",
            "/spec/ie",
        ] {
            assert_eq!(of(fine), None, "{fine}");
        }
        let labels = json!({"zone-a": "1", "tier": "2"});
        assert_eq!(nearest_field(&labels, "/zone-b"), None);
        assert_eq!(nearest_field(&labels, "/zone-ab").unwrap().1, "zone-a");
    }
}
