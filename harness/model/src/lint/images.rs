//! Images: what a step or a manifest names has to be made first, by what the world installs.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes};
use crate::addons::{plain_registry, registry, sigstore};
use crate::image::{ImageSigner, ImageVerifier, decode_base64_file};
use crate::names::{image_of, placeholder_names};
use crate::{
    Action, Answer, ImageName, LoadedScenario, ScenarioStep, ScenarioWorld, includes_addon,
};

/// How the names of policies end that cosign can read.
const POLICY_ENDINGS: [&str; 2] = [".rego", ".cue"];

impl LintNotes<'_> {
    pub(super) fn check_images(&mut self) {
        for (name, world) in &self.loaded.scenario.worlds {
            self.check_installs(name, world);
        }
        let made = made_images(self.loaded);
        for named in named_images(self.loaded) {
            let image = &named.image;
            if !made.contains(&image.name) {
                let hint = "`build` it, or `copy` another to that name";
                let what = format!("no step makes the image `{image}`");
                self.add_finding(named.place(), what, hint);
            }
        }
        self.check_documents();
        self.check_base64();
        self.check_indexes();
        self.check_signature_words();
        self.check_policies();
        self.check_read_policies();
    }

    /// What the steps use has to be there in every world.
    fn check_installs(&mut self, name: &str, world: &ScenarioWorld) {
        let scenario = &self.loaded.scenario;
        let install = scenario.world_installs(world);
        let has_registry = includes_addon(&install, &registry::ADDON)
            || includes_addon(&install, &plain_registry::ADDON);
        let images = scenario
            .steps
            .iter()
            .any(|step| needs_registry(&step.action));
        if images && !has_registry {
            self.add_finding(
                FindingPlace::World(name),
                format!("world `{name}` has no registry, and steps need one"),
                "`install: [registry]`",
            );
        }
        if scenario
            .steps
            .iter()
            .any(|step| needs_sigstore(&step.action))
            && !includes_addon(&install, &sigstore::ADDON)
        {
            let what = format!("world `{name}` has no certificate authority, and steps need one");
            self.add_finding(
                FindingPlace::World(name),
                what,
                "`install: [registry, sigstore]`",
            );
        }
        if install.iter().any(|one| one.addon().needs_node)
            && scenario.world_shape(world).nodes == 0
        {
            let what = format!(
                "world `{name}` installs something that runs in a pod, and its cluster has no node"
            );
            self.add_finding(FindingPlace::World(name), what, "drop `nodes: 0`");
        }
    }

    /// A policy is for statements of a type, in one of cosign's two languages, and for cosign alone.
    fn check_policies(&mut self) {
        for step in &self.loaded.scenario.steps {
            let Action::Verify(verify) = &step.action else {
                continue;
            };
            let Some(file) = &verify.policy else {
                continue;
            };
            let what = if verify.kind.is_none() {
                "asks a policy about a signature, which states nothing"
            } else if verify.with == ImageVerifier::Own {
                "asks a policy of the second reader, which knows none"
            } else if !POLICY_ENDINGS.iter().any(|ending| file.ends_with(ending)) {
                "asks a policy in a file that is neither `.rego` nor `.cue`"
            } else {
                continue;
            };
            self.add_finding(
                FindingPlace::Step(step),
                format!("step `{}` {what}", step.id),
                "`policy: NAME.rego` goes with a `type`, and with cosign",
            );
        }
    }

    /// cosign says of a policy that it cannot read what it says of one that refuses.
    fn check_read_policies(&mut self) {
        let scenario = &self.loaded.scenario;
        let mut admitting = BTreeSet::new();
        for world in scenario.worlds.keys() {
            for step in scenario.steps_in(world) {
                if let (Action::Verify(verify), Some(Answer::Verified)) =
                    (&step.action, step.intended_verdict(world))
                {
                    admitting.extend(verify.policy.as_deref());
                }
            }
        }
        for step in &scenario.steps {
            let Action::Verify(verify) = &step.action else {
                continue;
            };
            let unread = verify
                .policy
                .as_deref()
                .filter(|file| !admitting.contains(file));
            if let Some(file) = unread {
                self.add_finding(
                    FindingPlace::InStep(step, file),
                    format!(
                        "step `{}` asks the policy `{file}`, which no step shows to be readable",
                        step.id
                    ),
                    "add a step in which it admits something: `expect: verified`",
                );
            }
        }
    }

    /// A file in base64 can be read, and its place is its own.
    fn check_base64(&mut self) {
        for step in &self.loaded.scenario.steps {
            let Action::Build(build) = &step.action else {
                continue;
            };
            for (path, file) in &build.base64_files {
                let text = self.loaded.file_text(file).ok();
                let what = if build.files.contains_key(path) {
                    format!("step `{}` puts two files at `{path}`", step.id)
                } else if text.is_some_and(|text| decode_base64_file(&text).is_err()) {
                    format!("`{file}` cannot be read as base64")
                } else {
                    continue;
                };
                let hint = "`base64 FILE` writes one; other files belong under `files`";
                self.add_finding(FindingPlace::InStep(step, file), what, hint);
            }
        }
    }

    /// A bill of materials has to be written before it is used.
    fn check_documents(&mut self) {
        let mut written = BTreeSet::new();
        for step in &self.loaded.scenario.steps {
            if let Action::Sbom(sbom) = &step.action {
                written.insert(sbom.into.as_str());
            }
            let Some(used) = step.action.facts().document else {
                continue;
            };
            if !written.contains(used) {
                let what = format!(
                    "step `{}` uses the bill of materials `{used}`, which no earlier step writes",
                    step.id
                );
                self.add_finding(
                    FindingPlace::Step(step),
                    what,
                    "add an `sbom` step before it",
                );
            }
        }
    }
}

fn needs_registry(action: &Action) -> bool {
    !matches!(action, Action::Build(_)) && action.facts().image.is_some()
}

fn needs_sigstore(action: &Action) -> bool {
    let (with, log, timestamp) = match action {
        Action::Sign(sign) => (&sign.with, sign.log, sign.timestamp),
        Action::Attest(attest) => (&attest.with, attest.log, attest.timestamp),
        _ => return false,
    };
    !matches!(with, ImageSigner::Key(_)) || log == Some(true) || timestamp == Some(true)
}

/// The names of images that steps make.
fn made_images(loaded: &LoadedScenario) -> BTreeSet<String> {
    let steps = loaded.scenario.steps.iter();
    steps
        .filter_map(|step| match &step.action {
            Action::Build(build) => Some(build.image.name.clone()),
            Action::Copy(copy) => Some(copy.to.name.clone()),
            Action::Index(index) => Some(index.image.name.clone()),
            _ => None,
        })
        .collect()
}

/// An image that is named, and where.
struct NamedImage<'a> {
    image: ImageName,
    source: ImageSource<'a>,
}

enum ImageSource<'a> {
    Step(&'a ScenarioStep),
    /// A file of manifests, and the name as it is written there.
    Manifest(&'a str, String),
}

impl NamedImage<'_> {
    fn place(&self) -> FindingPlace<'_> {
        match &self.source {
            ImageSource::Step(step) => FindingPlace::Step(step),
            ImageSource::Manifest(file, written) => FindingPlace::InManifest(file, written),
        }
    }
}

fn named_images(loaded: &LoadedScenario) -> Vec<NamedImage<'_>> {
    let steps = loaded.scenario.steps.iter();
    let in_steps = steps.filter_map(|step| {
        Some(NamedImage {
            image: step.action.facts().image?.clone(),
            source: ImageSource::Step(step),
        })
    });
    let manifests = loaded
        .manifests
        .iter()
        .flat_map(|(file, all)| all.iter().map(move |one| (file, one)));
    let in_manifests = manifests.flat_map(|(file, manifest)| {
        let text = manifest.object.to_string();
        let named = placeholder_names(&text).filter_map(|name| {
            Some(NamedImage {
                image: image_of(name)?,
                source: ImageSource::Manifest(file, format!("$({name})")),
            })
        });
        named.collect::<Vec<_>>()
    });
    in_steps.chain(in_manifests).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    fn findings(scenario: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("signing/one");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("scenario.yaml"), scenario).unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        lint_scenario(&library.scenarios[0])
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    const HEAD: &str = "scenario: v2\nwhy: Because.\n";

    #[test]
    fn an_image_needs_a_registry_and_a_maker() {
        let text = format!(
            "{HEAD}worlds: {{ bare: {{}} }}\nsteps:\n- {{ id: a, do: {{ push: app }}, expect: done }}\n\
             - {{ id: b, do: {{ verify: {{ image: app, by: {{ key: k }} }} }}, expect: verified }}\n"
        );
        let found = findings(&text);
        assert!(
            found.contains(&"world `bare` has no registry, and steps need one".into()),
            "{found:?}"
        );
        assert!(
            found.contains(&"no step makes the image `app`".into()),
            "{found:?}"
        );
    }

    #[test]
    fn a_whole_one_has_no_fault() {
        let text = format!(
            "{HEAD}install: [registry]\nworlds: {{ bare: {{}} }}\nsteps:\n\
             - {{ id: a, do: {{ build: {{ image: app }} }}, expect: done }}\n- {{ id: b, do: {{ push: app }}, expect: done }}\n\
             - {{ id: c, do: {{ sign: {{ image: app, with: {{ key: k }} }} }}, expect: done }}\n\
             - {{ id: d, do: {{ verify: {{ image: app, by: {{ key: k }} }} }}, expect: verified }}\n"
        );
        assert_eq!(findings(&text), Vec::<String>::new());
    }

    #[test]
    fn a_policy_is_for_statements_and_for_cosign() {
        let of = |more: &str| {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("signing/one");
            fs::create_dir_all(&dir).unwrap();
            for file in ["a.rego", "a.txt"]
                .iter()
                .filter(|file| more.contains(**file))
            {
                fs::write(dir.join(file), "package signature\n").unwrap();
            }
            let text = format!(
                "{HEAD}install: [registry]\nworlds: {{ bare: {{}} }}\nsteps:\n\
                 - {{ id: a, do: {{ build: {{ image: app }} }}, expect: done }}\n\
                 - {{ id: b, do: {{ verify: {{ image: app, by: {{ key: k }}, {more} }} }}, expect: EXPECTED }}\n"
            );
            let (more_text, refused) = (
                text.contains("a.rego, refused"),
                "{ verification-failed: { why: refused-by-policy } }",
            );
            let text = text.replace("a.rego, refused", "a.rego");
            let text = text.replace("EXPECTED", if more_text { refused } else { "verified" });
            fs::write(dir.join("scenario.yaml"), text).unwrap();
            let library = ScenarioLibrary::open(folder.path()).unwrap();
            assert!(library.faults.is_empty(), "{:?}", library.faults);
            let found = lint_scenario(&library.scenarios[0]).into_iter();
            found.map(|one| one.what).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(of("type: custom, policy: a.rego"), "");
        let unread = of("type: custom, policy: a.rego, refused");
        assert!(
            unread.contains("which no step shows to be readable"),
            "{unread}"
        );
        assert!(of("policy: a.rego").contains("about a signature"));
        assert!(of("type: custom, with: own, policy: a.rego").contains("second reader"));
        assert!(of("type: custom, policy: a.txt").contains("neither `.rego` nor `.cue`"));
    }

    #[test]
    fn what_is_in_base64_can_be_read() {
        let of = |more: &str, text: &str| {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("signing/one");
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("a.b64"), text).unwrap();
            let scenario = format!(
                "{HEAD}worlds: {{ bare: {{}} }}\nsteps:\n\
                 - {{ id: a, do: {{ build: {{ image: app, base64-files: {{ app/a: a.b64 }}{more} }} }}, expect: done }}\n\
                 - {{ id: b, do: {{ list: {{ resource: pods }} }}, expect: allowed }}\n"
            );
            fs::write(dir.join("scenario.yaml"), scenario).unwrap();
            let library = ScenarioLibrary::open(folder.path()).unwrap();
            assert!(library.faults.is_empty(), "{:?}", library.faults);
            let found = lint_scenario(&library.scenarios[0]).into_iter();
            found.map(|one| one.what).collect::<Vec<_>>()
        };
        assert_eq!(of("", "AA\nBB\n"), Vec::<String>::new());
        assert_eq!(of("", "not: base64"), ["`a.b64` cannot be read as base64"]);
        assert_eq!(
            of(", files: { app/a: a.b64 }", "AABB"),
            ["step `a` puts two files at `app/a`"]
        );
    }

    #[test]
    fn keyless_needs_sigstore_and_a_document_its_writer() {
        let text = format!(
            "{HEAD}install: [registry]\nworlds: {{ bare: {{}} }}\nsteps:\n\
             - {{ id: a, do: {{ build: {{ image: app }} }}, expect: done }}\n\
             - {{ id: b, do: {{ attest: {{ image: app, with: {{ account: ci }}, predicate: {{ sbom: bom }}, type: cyclonedx }} }}, \
             expect: verified }}\n"
        );
        let found = findings(&text);
        assert!(
            found
                .iter()
                .any(|what| what.contains("no certificate authority")),
            "{found:?}"
        );
        assert!(
            found
                .iter()
                .any(|what| what.contains("which no earlier step writes")),
            "{found:?}"
        );
    }
}
