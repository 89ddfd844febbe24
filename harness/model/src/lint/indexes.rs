//! Indexes: images of several platforms under one name, and what can be done with them.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes};
use crate::{Action, AttachmentDamage, ImageChange, ImageName, IndexImages, ScenarioStep};

impl LintNotes<'_> {
    /// An index is made of images that are there, and is none itself: it has no layers, no
    /// configuration and no packages.
    pub(super) fn check_indexes(&mut self) {
        let (mut there, mut indexes) = (BTreeSet::new(), BTreeSet::new());
        for step in &self.loaded.scenario.steps {
            if let Action::Index(index) = &step.action {
                self.check_children(step, index, &there, &indexes);
            }
            if let Some((what, hint)) = unfit_for_index(&step.action, &indexes) {
                let what = format!("step `{}` {what}", step.id);
                self.add_finding(FindingPlace::Step(step), what, hint);
            }
            match &step.action {
                Action::Push(image) => {
                    there.insert(image);
                    indexes.remove(image);
                }
                Action::Index(index) => {
                    there.insert(&index.image);
                    indexes.insert(&index.image);
                }
                // With signatures and onto another image, only those are copied; then what was an
                // index stays one.
                Action::Copy(copy) => {
                    let keeps = copy.with_signatures && there.contains(&copy.to);
                    if !keeps && indexes.contains(&copy.from) {
                        indexes.insert(&copy.to);
                    } else if !keeps {
                        indexes.remove(&copy.to);
                    }
                    there.insert(&copy.to);
                }
                _ => {}
            }
        }
    }

    fn check_children(
        &mut self,
        step: &ScenarioStep,
        index: &IndexImages,
        there: &BTreeSet<&ImageName>,
        indexes: &BTreeSet<&ImageName>,
    ) {
        let at = || FindingPlace::Step(step);
        if index.of.is_empty() {
            let what = format!("step `{}` makes an index of nothing", step.id);
            self.add_finding(at(), what, "`of: ['app:amd64', 'app:arm64']`");
        }
        for (place, child) in index.of.iter().enumerate() {
            let what = if child.name != index.image.name {
                "which is in another repository"
            } else if *child == index.image {
                "which is its own name"
            } else if !there.contains(child) {
                "which no earlier step puts into the registry"
            } else if indexes.contains(child) {
                "which is an index itself"
            } else if index.of[..place].contains(child) {
                "which it names twice"
            } else {
                continue;
            };
            self.add_finding(
                at(),
                format!(
                    "step `{}` makes an index of the image `{child}`, {what}",
                    step.id
                ),
                "its children are images under other tags of the same name, pushed before",
            );
        }
    }

    /// Annotations and other repositories are of signatures.
    pub(super) fn check_signature_words(&mut self) {
        for step in &self.loaded.scenario.steps {
            let what = match &step.action {
                Action::Verify(verify)
                    if verify.kind.is_some() && !verify.annotations.is_empty() =>
                {
                    "asks an attestation for annotations, and none can be made with any"
                }
                Action::Verify(verify) if verify.kind.is_some() && verify.stored_in.is_some() => {
                    "looks for an attestation in another repository, and none is put there"
                }
                Action::Verify(verify)
                    if verify.through.is_some() && verify.stored_in.is_some() =>
                {
                    "looks in another repository past the fault that it goes through"
                }
                Action::Corrupt(spoil) if is_of_nothing(&spoil.what) => "adds no annotation",
                _ => continue,
            };
            self.add_finding(
                FindingPlace::Step(step),
                format!("step `{}` {what}", step.id),
                "annotations and `stored-in` are for signatures",
            );
        }
    }
}

fn is_of_nothing(damage: &AttachmentDamage) -> bool {
    matches!(damage, AttachmentDamage::LayerAnnotations(all) if all.is_empty())
}

/// What a step wants of an index that only one image has, or of an image that only an index has;
/// with a hint.
fn unfit_for_index(
    action: &Action,
    indexes: &BTreeSet<&ImageName>,
) -> Option<(&'static str, &'static str)> {
    const ONE_IMAGE: &str = "name one of its images, by its own tag";
    match action {
        Action::Tamper(tamper)
            if tamper.with != ImageChange::Manifest && indexes.contains(&tamper.image) =>
        {
            Some((
                "changes a layer or the configuration of an index, which has none",
                ONE_IMAGE,
            ))
        }
        Action::Sbom(sbom) if indexes.contains(&sbom.image) => Some((
            "lists what is in an index, and syft looks at one of its images alone",
            ONE_IMAGE,
        )),
        Action::Sign(sign) if sign.recursive && !indexes.contains(&sign.image) => Some((
            "signs the images of an image that is not an index",
            "make one with `index`, or drop `recursive`",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    /// The findings of a scenario with two pushed images and these steps, each as done.
    fn findings(steps: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("signing/one");
        fs::create_dir_all(&dir).unwrap();
        let mut text =
            "scenario: v2\nwhy: Because.\ninstall: [registry]\nworlds: { bare: {} }\nsteps:\n"
                .to_owned();
        let made = [
            "build: { image: 'app:amd64', platform: linux/amd64 }",
            "push: 'app:amd64'",
            "build: { image: 'app:arm64', platform: linux/arm64 }",
            "push: 'app:arm64'",
        ];
        for (at, step) in made.iter().chain(steps).enumerate() {
            let answer = if step.starts_with("verify") {
                "verified"
            } else {
                "done"
            };
            text += &format!("- {{ id: s{at}, do: {{ {step} }}, expect: {answer} }}\n");
        }
        text += "- { id: listed, do: { list: { resource: pods } }, expect: allowed }\n";
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        lint_scenario(&library.scenarios[0])
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    const WHOLE: &str = "index: { image: app, of: ['app:amd64', 'app:arm64'] }";

    #[test]
    fn an_index_of_images_that_are_there_has_no_fault() {
        let steps = [
            WHOLE,
            "sign: { image: app, with: { key: k }, recursive: true }",
            "tamper: { image: app, with: manifest }",
            "copy: { from: app, to: other }",
            "sign: { image: other, with: { key: k }, recursive: true, annotations: { a: b }, stored-in: kept }",
            "verify: { image: other, by: { key: k }, annotations: { a: b }, stored-in: kept }",
        ];
        assert_eq!(findings(&steps), Vec::<String>::new());
    }

    #[test]
    fn children_are_images_of_the_same_repository_that_are_there() {
        for (steps, said) in [
            (
                &["index: { image: app, of: [] }"][..],
                "an index of nothing",
            ),
            (
                &["index: { image: other, of: ['app:amd64'] }"],
                "in another repository",
            ),
            (
                &["index: { image: app, of: [app] }"],
                "which is its own name",
            ),
            (
                &["index: { image: app, of: ['app:s390x'] }"],
                "which no earlier step puts",
            ),
            (
                &[WHOLE, "index: { image: 'app:outer', of: [app] }"],
                "which is an index itself",
            ),
            (
                &["index: { image: app, of: ['app:amd64', 'app:amd64'] }"],
                "which it names twice",
            ),
        ] {
            let found = findings(steps);
            assert!(
                matches!(&found[..], [one] if one.contains(said)),
                "{steps:?}: {found:?}"
            );
        }
    }

    #[test]
    fn an_index_is_no_image() {
        for (steps, said) in [
            (
                &[WHOLE, "tamper: { image: app, with: layer }"][..],
                "which has none",
            ),
            (
                &[WHOLE, "sbom: { image: app, into: bill }"],
                "one of its images alone",
            ),
            (
                &[
                    WHOLE,
                    "copy: { from: 'app:amd64', to: app }",
                    "sign: { image: app, with: { key: k }, recursive: true }",
                ],
                "an image that is not an index",
            ),
            (
                &["sign: { image: 'app:amd64', with: { key: k }, recursive: true }"],
                "an image that is not an index",
            ),
        ] {
            let found = findings(steps);
            assert!(
                matches!(&found[..], [one] if one.contains(said)),
                "{steps:?}: {found:?}"
            );
        }
    }

    #[test]
    fn annotations_and_other_repositories_are_of_signatures() {
        for step in [
            "verify: { image: 'app:amd64', by: { key: k }, type: custom, annotations: { a: b } }",
            "verify: { image: 'app:amd64', by: { key: k }, type: custom, stored-in: kept }",
            "corrupt: { image: 'app:amd64', what: { layer-annotations: {} } }",
        ] {
            assert_eq!(findings(&[step]).len(), 1, "{step}");
        }
    }
}
