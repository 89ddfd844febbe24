//! Every file is there and used, holds objects that can be sent, and names only known placeholders.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes};
use crate::names::{self, unknown_placeholder};
use crate::{Action, ObjectManifest};

impl LintNotes<'_> {
    pub(super) fn check_files(&mut self) {
        let referenced = self.loaded.list_referenced();
        let texts: Vec<&str> = self
            .loaded
            .texts()
            .filter(|name| self.loaded.has_file(name))
            .collect();
        let missing = |name: &&String| {
            !self.loaded.manifests.contains_key(*name) && !texts.contains(&name.as_str())
        };
        for name in referenced.iter().filter(missing) {
            let (what, hint) = match self.loaded.locate_file(name) {
                Ok(_) => (
                    format!("there is no file `{name}`"),
                    Some("paths are relative to the scenario's own folder".to_owned()),
                ),
                Err(refused) => (refused.to_string(), refused.hint()),
            };
            let hint = hint.unwrap_or_default();
            self.add_finding(FindingPlace::Anywhere(name), what, hint);
        }
        for name in self
            .loaded
            .files
            .iter()
            .filter(|name| !referenced.contains(name))
        {
            let hint = "use it in a world or a step, or delete it";
            self.add_finding(
                FindingPlace::Key("scenario"),
                format!("the file `{name}` is not used"),
                hint,
            );
        }
        for step in &self.loaded.scenario.steps {
            for file in step.action.facts().reads {
                let many = self
                    .loaded
                    .manifests
                    .get(file)
                    .is_some_and(|all| all.len() != 1);
                if many {
                    let what = format!(
                        "`{file}` holds several objects, and step `{}` sends one",
                        step.id
                    );
                    self.add_finding(
                        FindingPlace::InStep(step, file),
                        what,
                        "give each object its own file",
                    );
                }
            }
        }
    }

    pub(super) fn check_objects(&mut self) {
        let scenario = &self.loaded.scenario;
        let applied = scenario
            .worlds
            .values()
            .flat_map(|world| world.apply.iter().map(String::as_str));
        let sent = scenario.steps.iter().filter_map(|step| match &step.action {
            Action::Create(file) | Action::Apply(file) | Action::Update(file) => {
                Some(file.as_str())
            }
            _ => None,
        });
        let files: BTreeSet<&str> = applied.chain(sent).collect();
        for file in files {
            let objects = self
                .loaded
                .manifests
                .get(file)
                .map_or(&[][..], Vec::as_slice);
            let place = match objects {
                [_] => FindingPlace::InManifest(file, ""),
                _ => FindingPlace::Anywhere(file),
            };
            for fault in objects.iter().filter_map(ObjectManifest::manifest_fault) {
                let hint =
                    "a manifest is one Kubernetes object: `apiVersion`, `kind`, `metadata`, …";
                self.add_finding(place, format!("an object in `{file}` {fault}"), hint);
            }
        }
        self.check_kinds();
    }

    pub(super) fn check_placeholders(&mut self) {
        let own = unknown_placeholder(&self.loaded.text).map(|name| (None, name.to_owned()));
        let in_manifests = self.loaded.manifests.iter().flat_map(|(file, objects)| {
            let texts = objects.iter().map(|manifest| manifest.object.to_string());
            texts.filter_map(move |text| {
                Some((Some(file.as_str()), unknown_placeholder(&text)?.to_owned()))
            })
        });
        for (file, name) in own.into_iter().chain(in_manifests) {
            let hint = format!("there are {}", names::ALL_PLACEHOLDERS);
            let written = format!("$({name})");
            let place = match file {
                Some(file) => FindingPlace::InManifest(file, &written),
                None => FindingPlace::Anywhere(&written),
            };
            self.add_finding(place, format!("`{written}` is not a placeholder"), hint);
        }
    }
}
