//! Every kind of object, every action and every refuser is put through a real cluster by a recorded
//! scenario: written by one world and not by another, so that it is seen in force there and apart
//! here; done in one of several worlds; named by a step that another world, or another step, lets
//! through. What is not is in a list, with the reason, and leaves the list once it is.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    ADDONS, ANY_KIND, Action, Answer, KindBarrier, KindIsolation, LoadedScenario, ObjectKind,
    Refuser, ScenarioLibrary, ScenarioStep, object_kind, object_kind_called, object_kinds,
};
use serde_json::Value;

use crate::{root, text};

/// What no scenario puts through, and why.
const NOT_PUT_THROUGH: [(&str, &str); 13] = [
    (
        "plugin AlwaysDeny",
        "it refuses what the engine itself writes, from the first namespace on",
    ),
    (
        "plugin AlwaysPullImages",
        "it changes what it would refuse before it looks",
    ),
    (
        "plugin CertificateSigning",
        "it looks at a status with a certificate, which nobody but a signer writes",
    ),
    (
        "plugin ClusterTrustBundleAttest",
        "nothing is known that shows when a ClusterTrustBundle is in force",
    ),
    (
        "plugin EventRateLimit",
        "it refuses by the clock: a slow machine would be let through",
    ),
    (
        "plugin ImagePolicyWebhook",
        "its configuration names files that a scenario cannot bring",
    ),
    (
        "plugin JobValidation",
        "its feature gate is an alpha one, and changes what a Job is",
    ),
    (
        "plugin NodeDeclaredFeatureValidator",
        "all nodes of a box declare the same features",
    ),
    (
        "plugin PersistentVolumeClaimResize",
        "a claim that can grow needs a StorageClass, which no scenario may write",
    ),
    (
        "plugin PodGroupWorkloadExists",
        "nothing is known that shows when a Workload is in force",
    ),
    (
        "plugin PodResizeValidator",
        "all nodes of a box run Linux, with room for more than is asked",
    ),
    (
        "scheduling.k8s.io PriorityClass",
        "every world of admission/priority-class has the classes, so that none shows what it is without",
    ),
    (
        "scheduler no-node",
        "a box without nodes has no scheduler either",
    ),
];

fn library() -> ScenarioLibrary {
    let library = ScenarioLibrary::open(&root().join("scenarios")).unwrap();
    assert!(library.faults.is_empty(), "{:?}", library.faults);
    library
}

/// Whether an outcome of this scenario is recorded: it was tried in a real cluster.
fn is_recorded(loaded: &LoadedScenario) -> bool {
    root()
        .join("golden/outcomes")
        .join(format!("{}.snap", loaded.id))
        .exists()
}

/// Fails for each of `all` that is neither found nor in the list, and for each of the list's that
/// is found.
fn expect_all<'a>(all: impl IntoIterator<Item = &'a str>, found: &BTreeSet<String>) {
    let listed = |word: &str| NOT_PUT_THROUGH.iter().any(|(one, _)| *one == word);
    let all: BTreeSet<&str> = all.into_iter().collect();
    assert!(all.len() > 3, "{all:?}");
    let (mut missing, mut stale) = (Vec::new(), Vec::new());
    for word in all {
        match (found.contains(word), listed(word)) {
            (false, false) => missing.push(word),
            (true, true) => stale.push(word),
            (true, false) | (false, true) => {}
        }
    }
    assert!(
        missing.is_empty(),
        "no scenario puts these through: {missing:#?}"
    );
    assert!(stale.is_empty(), "these are put through by now: {stale:#?}");
}

/// The kinds in a file of a scenario.
fn kinds_in(loaded: &LoadedScenario, file: &str) -> Vec<&'static ObjectKind> {
    let all = loaded.manifests.get(file).into_iter().flatten();
    all.filter_map(|one| object_kind(one.object["apiVersion"].as_str()?, one.kind()))
        .collect()
}

fn kind_word(kind: &ObjectKind) -> String {
    format!("{} {}", kind.group, kind.kind)
}

/// The files with which a world writes objects of each kind: those that it applies, and those that
/// its steps are let write.
fn written_kinds<'a>(
    loaded: &'a LoadedScenario,
    world: &str,
) -> BTreeMap<String, BTreeSet<&'a str>> {
    let applied = loaded.scenario.worlds[world].apply.iter();
    let steps = loaded.scenario.steps_in(world);
    let taken = steps.filter(|step| step.intended_verdict(world) == Some(&Answer::Admitted));
    let sent = taken.flat_map(|step| step.action.facts().reads);
    let mut written: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for file in applied.map(String::as_str).chain(sent) {
        for kind in kinds_in(loaded, file) {
            written.entry(kind_word(kind)).or_default().insert(file);
        }
    }
    written
}

/// Whether a step of this world writes the kind, or deletes it, and what is tried before it is answered otherwise
/// when it is tried after it.
fn turns(loaded: &LoadedScenario, world: &str, word: &str) -> bool {
    let steps: Vec<&ScenarioStep> = loaded.scenario.steps_in(world).collect();
    let writes = |step: &ScenarioStep| {
        let reads = step.action.facts().reads;
        let mut kinds = reads.iter().flat_map(|file| kinds_in(loaded, file));
        let deletes = match &step.action {
            Action::Delete(target) => object_kind_called(&target.kind),
            _ => None,
        };
        let is_it = |kind: &ObjectKind| kind_word(kind) == word;
        step.intended_verdict(world) == Some(&Answer::Admitted)
            && (kinds.any(is_it) || deletes.is_some_and(is_it))
    };
    let answered = |step: &ScenarioStep| step.intended_verdict(world).cloned();
    let alike = |one: &ScenarioStep, other: &ScenarioStep| {
        action_words(one).last() == action_words(other).last() && answered(one) != answered(other)
    };
    (0..steps.len()).filter(|at| writes(steps[*at])).any(|at| {
        let (before, after) = (&steps[..at], &steps[at + 1..]);
        before
            .iter()
            .any(|one| after.iter().any(|other| alike(one, other)))
    })
}

/// Whether a step is intended to be answered otherwise in these worlds.
fn differ(loaded: &LoadedScenario, one: &str, other: &str) -> bool {
    let steps = &loaded.scenario.steps;
    steps.iter().any(|step| {
        let answers = [one, other].map(|world| step.intended_verdict(world));
        matches!(answers, [Some(one), Some(other)] if one != other)
    })
}

/// The kinds that a scenario puts through: one world writes it and another does not, or writes
/// another one, and they are answered otherwise; or a step writes it, and what comes after is
/// answered otherwise than what came before. What controls nothing has to be written alone.
fn kinds_put_through(loaded: &LoadedScenario) -> BTreeSet<String> {
    let worlds: Vec<&str> = loaded.scenario.worlds.keys().map(String::as_str).collect();
    let written: BTreeMap<&str, _> = worlds
        .iter()
        .map(|world| (*world, written_kinds(loaded, world)))
        .collect();
    let mut found = BTreeSet::new();
    for kind in object_kinds() {
        let word = kind_word(kind);
        let controls =
            kind.barrier != KindBarrier::Stored && kind.isolation != KindIsolation::Question;
        let is_seen = |one: &&&str| {
            let files = written[**one].get(&word);
            let differs =
                |other: &&str| written[*other].get(&word) != files && differ(loaded, one, other);
            files.is_some()
                && (!controls || worlds.iter().any(differs) || turns(loaded, one, &word))
        };
        if worlds.iter().any(|one| is_seen(&one)) {
            found.insert(word);
        }
    }
    found
}

#[test]
fn every_kind_is_put_in_force_and_kept_apart_by_a_scenario() {
    let library = library();
    let recorded = library.scenarios.iter().filter(|one| is_recorded(one));
    let found = recorded.flat_map(kinds_put_through).collect();
    let all: Vec<String> = object_kinds().map(kind_word).collect();
    expect_all(all.iter().map(String::as_str), &found);
}

/// A kind that two addons, or an addon and Kubernetes, claim would be the first one's alone.
#[test]
fn every_kind_of_an_addon_is_claimed_once() {
    for kind in ADDONS.iter().flat_map(|addon| addon.kinds) {
        assert!(
            kind.kind == ANY_KIND
                || object_kind(&format!("{}/v1", kind.group), kind.kind) == Some(kind),
            "{} {}",
            kind.group,
            kind.kind
        );
    }
}

/// The words of a list of alternatives in the scenario's schema.
fn schema_words(name: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(&text("golden/schema/scenario.v2.json")).unwrap();
    let alternatives = schema["$defs"][name]["oneOf"].as_array().unwrap();
    let words = alternatives.iter().flat_map(|one| {
        let constant = one["const"].as_str().map(str::to_owned);
        let keys = one["required"].as_array().into_iter().flatten();
        let keys = keys.filter_map(|key| key.as_str().map(str::to_owned));
        constant.into_iter().chain(keys).collect::<Vec<_>>()
    });
    words.collect()
}

/// The word that a value begins with: itself, or its only key.
fn first_word(value: &Value) -> String {
    let key = value.as_object().and_then(|object| object.keys().next());
    let word = key.map(String::as_str).or(value.as_str());
    word.unwrap_or_default().to_owned()
}

/// What a step does, and what in particular where one word stands for several things.
fn action_words(step: &ScenarioStep) -> Vec<String> {
    let action = serde_json::to_value(&step.action).unwrap();
    let word = first_word(&action);
    let inner = first_word(&action[word.as_str()]);
    vec![format!("{word} {inner}"), word]
}

/// An answer of an action that did something, and did not find its way barred.
fn is_done(answer: &Answer) -> bool {
    !matches!(
        answer,
        Answer::Denied { .. }
            | Answer::NotStarted { .. }
            | Answer::Forbidden
            | Answer::Unauthenticated
            | Answer::NotFound
    )
}

#[test]
fn every_action_is_done_in_one_of_several_worlds() {
    let library = library();
    let mut found = BTreeSet::new();
    for loaded in library.scenarios.iter().filter(|one| is_recorded(one)) {
        let worlds = &loaded.scenario.worlds;
        for world in worlds.keys().filter(|_| worlds.len() > 1) {
            let done = loaded.scenario.steps_in(world);
            let done = done.filter(|step| step.intended_verdict(world).is_some_and(is_done));
            found.extend(done.flat_map(action_words));
        }
    }
    let mut all = schema_words("Action");
    for (word, inner) in [
        ("look-for", "ObservedRecord"),
        ("process", "ProcessChange"),
        ("node", "NodeChange"),
    ] {
        all.extend(
            schema_words(inner)
                .iter()
                .map(|one| format!("{word} {one}")),
        );
    }
    expect_all(all.iter().map(String::as_str), &found);
}

/// The words for who refuses. Exhaustive: a new refuser does not compile until it has one here.
fn refuser_words(by: &Refuser) -> Vec<String> {
    let word = match by {
        Refuser::PodSecurity => "pod-security",
        Refuser::Policy(_) => "policy",
        Refuser::Webhook(_) => "webhook",
        Refuser::FailingClosed(_) => "failing-closed",
        Refuser::Engine { engine, policy } => {
            return vec![engine.name.to_owned(), format!("{engine} {policy}")];
        }
        Refuser::RbacEscalation => "rbac-escalation",
        Refuser::CertificateApproval => "certificate-approval",
        Refuser::CertificateSubjectRestriction => "certificate-subject-restriction",
        Refuser::NodeRestriction => "node-restriction",
        Refuser::Plugin(plugin) => return vec!["plugin".to_owned(), format!("plugin {plugin}")],
        Refuser::Quota(_) => "quota",
        Refuser::DisruptionBudget => "disruption-budget",
        Refuser::Kubelet(_) => "kubelet",
        Refuser::Container(_) => "container",
        Refuser::Process(_) => "process",
        Refuser::Scheduler(reasons) => {
            let each = reasons.iter().map(|reason| format!("scheduler {reason}"));
            return each.chain(["scheduler".to_owned()]).collect();
        }
        Refuser::Controller(_) => "controller",
    };
    vec![word.to_owned()]
}

/// Who refuses a step of this world, where the same step is answered otherwise in another world, or
/// another step of this one is let through.
fn refusers_in(loaded: &LoadedScenario, world: &str) -> Vec<String> {
    let scenario = &loaded.scenario;
    let answered = |step: &ScenarioStep| {
        let mut answers = scenario
            .worlds
            .keys()
            .filter_map(|one| step.intended_verdict(one));
        answers.any(|answer| Some(answer) != step.intended_verdict(world))
    };
    let lets_through = |step: &&ScenarioStep| step.intended_verdict(world).is_some_and(is_done);
    let is_open = scenario.steps_in(world).any(|step| lets_through(&step));
    let steps = scenario.steps_in(world);
    steps
        .filter(|step| is_open || answered(step))
        .filter_map(|step| match step.intended_verdict(world)? {
            Answer::Denied { by } | Answer::NotStarted { by } => Some(refuser_words(by)),
            _ => None,
        })
        .flatten()
        .collect()
}

/// Every refuser of the scenario's schema, with each plugin and each reason of the scheduler's.
fn schema_refusers() -> Vec<String> {
    let mut all = schema_words("Refuser");
    for (word, inner) in [("plugin", "Plugin"), ("scheduler", "Unfit")] {
        let each = schema_words(inner);
        all.extend(each.iter().map(|one| format!("{word} {one}")));
    }
    all
}

#[test]
fn every_refuser_is_named_by_a_scenario() {
    let library = library();
    let recorded = library.scenarios.iter().filter(|one| is_recorded(one));
    let found = recorded
        .flat_map(|loaded| {
            let worlds = loaded.scenario.worlds.keys();
            worlds.flat_map(|world| refusers_in(loaded, world))
        })
        .collect();
    let mut all = schema_refusers();
    for addon in ADDONS {
        let instead = addon.denials.iter().flat_map(|denial| denial.instead);
        all.extend(instead.map(|text| format!("{addon} {text}")));
    }
    expect_all(all.iter().map(String::as_str), &found);
}

#[test]
fn what_is_left_out_exists() {
    let mut all: BTreeSet<String> = object_kinds().map(kind_word).collect();
    all.extend(schema_words("Action"));
    all.extend(schema_refusers());
    for (word, why) in NOT_PUT_THROUGH {
        assert!(all.contains(word) && !why.is_empty(), "{word}");
    }
}
