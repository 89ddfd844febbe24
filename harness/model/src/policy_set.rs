//! Two sets of policies on the same objects: a scenario of two worlds that nobody had to write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::library::{parse_document, read_manifests, sorted_entries};
use crate::ways::holds_field;
use crate::ways::{addon_controls, object_group};
use crate::{
    ADDONS, ANY_KIND, AddonInstall, ComparedKind, ComparedWorld, Error, FileReach, LoadedScenario,
    ObjectManifest, PolicyWords, RefusalPart, TrialObject, trial_objects,
};

/// What files of manifests end in.
const MANIFEST_ENDINGS: [&str; 3] = [".yaml", ".yml", ".json"];

/// What is compared of the API server's own kinds.
const NATIVE_KINDS: [ComparedKind; 2] = [
    native_kind("ValidatingAdmissionPolicy", RefusalPart::Refuses),
    native_kind("ValidatingAdmissionPolicyBinding", RefusalPart::Binds),
];

const fn native_kind(kind: &'static str, part: RefusalPart) -> ComparedKind {
    ComparedKind {
        group: "admissionregistration.k8s.io",
        kind,
        part,
        other_rules: &[],
    }
}

/// What is compared of an object: kinds that refuse, and what they need. What changes objects, makes
/// others, excepts from policies or asks registries is not yet: that it did nothing would not be
/// seen.
fn compared_kind(object: &Value) -> Option<&'static ComparedKind> {
    let of_addons = addon_controls().flat_map(|(_, control)| control.compared);
    NATIVE_KINDS
        .iter()
        .chain(of_addons)
        .find(|one| is_of_kind(object, one.group, one.kind))
}

fn refusal_part(one: &ObjectManifest) -> Option<RefusalPart> {
    compared_kind(&one.object).map(|kind| kind.part)
}

/// The policies of one folder.
#[derive(Clone, Debug)]
pub struct PolicySet {
    folder: PathBuf,
    manifests: Vec<ObjectManifest>,
}

impl PolicySet {
    /// Reads every manifest of a folder, and of those in it.
    ///
    /// # Errors
    /// What is wrong with a file, with its place, and every object of a kind that is not compared.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let mut manifests = read_folder(folder)?;
        manifests.iter().try_for_each(check_policy)?;
        let refuses = |one| refusal_part(one) == Some(RefusalPart::Refuses);
        if !manifests.iter().any(refuses) {
            return Err(Error::Policy {
                path: folder.to_owned(),
                fault: "there is no policy in it".into(),
            });
        }
        // A refusal names a policy by its name alone.
        let mut names = BTreeSet::new();
        let mut policies = manifests.iter().filter(|one| refuses(one));
        if let Some(second) = policies.find(|one| !names.insert(one.name())) {
            return Err(Error::Policy {
                path: second.file.clone(),
                fault: format!(
                    "two policies are called `{}`: which of them refuses cannot be told",
                    second.name()
                ),
            });
        }
        manifests.sort_by_key(refusal_part);
        Ok(Self {
            folder: folder.to_owned(),
            manifests,
        })
    }

    /// The names of its policies: what a refusal names.
    #[must_use]
    pub fn policy_names(&self) -> BTreeSet<String> {
        let policies = self
            .manifests
            .iter()
            .filter(|one| refusal_part(one) == Some(RefusalPart::Refuses));
        policies.map(|one| one.name().to_owned()).collect()
    }

    fn objects(&self) -> impl Iterator<Item = &Value> {
        self.manifests.iter().map(|one| &one.object)
    }

    /// What has to be installed for all of them.
    fn installs(&self) -> BTreeSet<AddonInstall> {
        let mut install = BTreeSet::new();
        for object in self.objects() {
            let serving = ADDONS.iter().filter(|addon| {
                let mut kinds = addon.kinds.iter();
                addon.part_of.is_none() && kinds.any(|one| is_of_kind(object, one.group, one.kind))
            });
            install.extend(serving.map(|addon| AddonInstall::usual_version(addon)));
        }
        install
    }
}

/// Two sets of policies, ready to be tried.
#[derive(Clone, Debug)]
pub struct ComparedPolicies {
    /// A scenario in which the objects are tried on both sets, one set at a time where they share a
    /// cluster. Nothing is stored: every object is tried by dry run.
    pub loaded: LoadedScenario,
    /// How its worlds belong together.
    pub worlds: ComparedWorld,
    /// Of each step that tries a variant of an object, the step that tries the object as it is.
    pub usual: BTreeMap<String, String>,
}

/// The objects that the policies' words give, on both sets.
///
/// `own` are objects to try beside those that the policies' words give.
///
/// # Errors
/// When no object is left to try.
pub fn compare_policies(
    old: &PolicySet,
    new: &PolicySet,
    own: &[ObjectManifest],
) -> Result<ComparedPolicies, Error> {
    let words = PolicyWords::of_policies(old.objects().chain(new.objects()));
    let mut trials = own_trials(own);
    trials.extend(trial_objects(&words));
    if trials.is_empty() {
        return Err(Error::Policy {
            path: new.folder.clone(),
            fault: "its policies name no kind that there are objects of; give some".into(),
        });
    }
    let dir = new.folder.clone();
    let mut manifests: BTreeMap<String, Vec<ObjectManifest>> = BTreeMap::new();
    manifests.insert("old.yaml".into(), old.manifests.clone());
    manifests.insert("new.yaml".into(), new.manifests.clone());
    let step = |trial: &TrialObject| {
        json!({
            "id": trial.name,
            "do": { "create": format!("{}.yaml", trial.name) },
            "dry-run": true,
            "expect": "admitted",
        })
    };
    let world = |set: &PolicySet, file: &str| {
        let install: Vec<String> = set.installs().iter().map(ToString::to_string).collect();
        json!({ "install": install, "apply": [file] })
    };
    let scenario = json!({
        "scenario": "v2",
        "why": "The same objects on two sets of policies.",
        "worlds": { "old": world(old, "old.yaml"), "new": world(new, "new.yaml") },
        "steps": trials.iter().map(step).collect::<Vec<_>>(),
    });
    let mut usual_steps = BTreeMap::new();
    for trial in trials {
        let TrialObject {
            name,
            variant_of,
            object,
        } = trial;
        usual_steps.extend(variant_of.map(|usual| (name.clone(), usual)));
        let file = dir.join(format!("{name}.yaml"));
        manifests.insert(
            format!("{name}.yaml"),
            vec![ObjectManifest { file, object }],
        );
    }
    let text = scenario.to_string();
    let loaded = LoadedScenario {
        id: "compare/policies".into(),
        scenario: parse_document(&dir, &text)?,
        files: manifests.keys().cloned().collect(),
        reach: FileReach::OwnFolder,
        dir,
        text,
        manifests,
    };
    Ok(ComparedPolicies {
        loaded,
        worlds: ComparedWorld {
            world: "policies".into(),
            old: "old".into(),
            new: "new".into(),
        },
        usual: usual_steps,
    })
}

/// The objects that a file holds, or every file of a folder.
///
/// # Errors
/// What is wrong with a file, with its place.
pub fn read_objects(path: &Path) -> Result<Vec<ObjectManifest>, Error> {
    let objects = if path.is_dir() {
        read_folder(path)?
    } else {
        read_manifests(path)?
    };
    objects.iter().try_for_each(check_object)?;
    Ok(objects)
}

fn read_folder(folder: &Path) -> Result<Vec<ObjectManifest>, Error> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for name in sorted_entries(&folder)? {
            let path = folder.join(&name);
            let is_manifest = MANIFEST_ENDINGS
                .iter()
                .any(|ending| name.to_lowercase().ends_with(ending));
            match (path.is_dir(), is_manifest) {
                // It can lead back to where it is.
                (true, _) if path.is_symlink() => {
                    return Err(Error::Policy {
                        path,
                        fault: "a link to a folder is not followed".into(),
                    });
                }
                (true, _) => folders.push(path),
                (false, true) => all.extend(read_manifests(&path)?),
                (false, false) => {}
            }
        }
    }
    if all.is_empty() {
        return Err(Error::Policy {
            path: folder.to_owned(),
            fault: "there is no manifest in it".into(),
        });
    }
    Ok(all)
}

fn check_object(one: &ObjectManifest) -> Result<(), Error> {
    let refuse = |fault: String| {
        Err(Error::Policy {
            path: one.file.clone(),
            fault,
        })
    };
    if let Some(fault) = one.manifest_fault() {
        return refuse(format!("an object {fault}"));
    }
    if !one.namespace().is_empty() {
        return refuse(format!(
            "{} `{}` names a namespace, and is tried in one of its own; leave it out",
            one.kind(),
            one.name()
        ));
    }
    if one.object.to_string().contains("$(") {
        return refuse(format!(
            "{} `{}` holds `$(`, which is a placeholder here",
            one.kind(),
            one.name()
        ));
    }
    Ok(())
}

fn check_policy(one: &ObjectManifest) -> Result<(), Error> {
    check_object(one)?;
    let fault = match compared_kind(&one.object) {
        Some(compared) => match other_rule(one, compared) {
            None => return Ok(()),
            Some(rule) => format!("`{}` has a rule of the kind `{rule}`", one.name()),
        },
        None => {
            let group = object_group(&one.object);
            format!("`{}` is a {} ({group})", one.name(), one.kind())
        }
    };
    Err(Error::Policy {
        path: one.file.clone(),
        fault: format!("{fault}, which is not compared yet: only policies that refuse are"),
    })
}

/// What a rule does instead of refusing, or asks for to decide, at whatever depth: what each of a
/// `foreach` asks for stands in that one.
fn other_rule(one: &ObjectManifest, compared: &ComparedKind) -> Option<&'static str> {
    let mut keys = compared.other_rules.iter();
    keys.find(|key| holds_field(&one.object["spec"]["rules"], key))
        .copied()
}

fn is_of_kind(object: &Value, group: &str, kind: &str) -> bool {
    object_group(object) == group && (object["kind"] == kind || kind == ANY_KIND)
}

/// Somebody's own objects, named by their number, kind and name.
fn own_trials(own: &[ObjectManifest]) -> Vec<TrialObject> {
    let word = |text: &str| {
        let plain = text
            .to_lowercase()
            .replace(|one: char| !one.is_ascii_alphanumeric(), "-");
        plain.trim_matches('-').to_owned()
    };
    let each = own.iter().enumerate().map(|(nth, one)| TrialObject {
        name: format!("own-{}-{}-{}", nth + 1, word(one.kind()), word(one.name()))
            .trim_end_matches('-')
            .to_owned(),
        variant_of: None,
        object: one.object.clone(),
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: &str = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: { name: labels }\n\
        spec: { rules: [{ name: team, match: { any: [{ resources: { kinds: [Pod] } }] },\n\
        validate: { message: x, pattern: { metadata: { labels: { team: '?*' } } } } }] }\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn each_set_gets_its_engine_and_all_objects_are_tried_on_both() {
        let old = folder(&[("a/labels.yaml", LABELS)]);
        let new = folder(&[(
            "labels.yml",
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: { name: labels }\n\
             spec: { matchConstraints: { resourceRules: [{ apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods] }] },\n\
             validations: [{ expression: \"'team' in object.metadata.labels\" }] }\n",
        )]);
        let sets = [&old, &new].map(|one| PolicySet::read(one.path()).unwrap());
        let ComparedPolicies {
            loaded,
            worlds: pair,
            usual,
        } = compare_policies(&sets[0], &sets[1], &[]).unwrap();
        let installs = |world: &str| {
            let world = &loaded.scenario.worlds[world];
            let installs = loaded.scenario.world_installs(world);
            installs
                .iter()
                .map(|one| one.addon().name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (installs(&pair.old), installs(&pair.new)),
            (vec!["kyverno"], vec![])
        );
        let steps: Vec<&str> = loaded
            .scenario
            .steps
            .iter()
            .map(|step| step.id.as_str())
            .collect();
        assert!(
            steps.contains(&"pod") && steps.contains(&"pod-without-label-1"),
            "{steps:?}"
        );
        assert!(loaded.scenario.steps.iter().all(|step| step.dry_run));
        for (variant, as_it_is) in [("pod-root", "pod"), ("cronjob-pod-root", "cronjob-pod")] {
            assert_eq!(usual.get(variant).map(String::as_str), Some(as_it_is));
        }
        assert!(
            !usual.contains_key("pod") && usual.values().all(|one| steps.contains(&one.as_str()))
        );
        for name in loaded.list_referenced() {
            assert!(loaded.manifests.contains_key(&name), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_its_file() {
        let fault = |files: &[(&str, &str)]| {
            PolicySet::read(folder(files).path())
                .unwrap_err()
                .to_string()
        };
        assert!(fault(&[("notes.txt", "x")]).contains("no manifest in it"));
        assert!(
            fault(&[(
                "a.yaml",
                "apiVersion: x/v1\nkind: Odd\nmetadata: { name: x }\n"
            )])
            .contains("`x` is a Odd (x), which is not compared yet")
        );
        assert!(fault(&[("a.yaml", "metadata: { name: x }\n")]).contains("names no `apiVersion`"));
        assert!(
            fault(&[("a.yaml", &LABELS.replace("message: x", "message: $(x)"))])
                .contains("placeholder")
        );
        assert!(fault(&[("a.yaml", "a: [\n")]).contains("a.yaml:"));
        let generating = LABELS.replace("validate: { message: x,", "generate: { message: x,");
        assert!(fault(&[("a.yaml", &generating)]).contains("a rule of the kind `generate`"));
        let asking = LABELS.replace(
            "name: team,",
            "name: team, context: [{ name: image, imageRegistry: { reference: x } }],",
        );
        assert!(fault(&[("a.yaml", &asking)]).contains("a rule of the kind `imageRegistry`"));
        assert!(
            fault(&[("a.yaml", LABELS), ("b.yaml", LABELS)])
                .contains("two policies are called `labels`")
        );
        let elsewhere = LABELS.replace("name: labels }", "name: labels, namespace: prod }");
        assert!(fault(&[("a.yaml", &elsewhere)]).contains("names a namespace"));
        let linked = folder(&[("a.yaml", LABELS)]);
        std::os::unix::fs::symlink("/", linked.path().join("all")).unwrap();
        let fault = PolicySet::read(linked.path()).unwrap_err().to_string();
        assert!(
            fault.contains("a link to a folder is not followed"),
            "{fault}"
        );
    }

    #[test]
    fn own_objects_are_tried_first_under_names_that_tell_them() {
        let objects = folder(&[(
            "mine.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: { name: My.Pod }\n---\napiVersion: v1\nkind: Pod\nmetadata: {}\n",
        )]);
        let own = read_objects(&objects.path().join("mine.yaml")).unwrap();
        let names: Vec<String> = own_trials(&own).into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["own-1-pod-my-pod", "own-2-pod"]);
    }
}
