//! What is tried: one world of one scenario, resolved once. What its steps are expected to answer
//! stays in here and with the comparison: an action gets a [`StepRequest`], so that nothing that it
//! observes can depend on what is hoped for.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{
    Action, AddonInstall, Answer, ClusterShape, ImpactScope, LoadedScenario, ObjectManifest,
    ObservedRecord, PlaceholderValues, PureAddon, ScenarioStep, StepIdentity,
};

use serde_json::Value;

use super::holds::HoldTimes;
use crate::{Error, scope};

/// One world of one scenario.
pub(crate) struct WorldCase<'a> {
    loaded: &'a LoadedScenario,
    name: &'a str,
    world: &'a model::ScenarioWorld,
    shape: ClusterShape,
    install: BTreeSet<AddonInstall>,
}

/// A step, without what is expected of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepRequest<'a> {
    pub(crate) id: &'a str,
    pub(crate) identity: Option<&'a StepIdentity>,
    /// The namespace of its names, where it is not the world's own.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) dry_run: bool,
    /// Whether fields that the API server does not know are dropped and not refused.
    pub(crate) drops_unknown: bool,
    /// The container that it concerns, where it names one.
    pub(crate) container: Option<&'a str>,
    /// Whether the end of what it deletes is left to come.
    pub(crate) leaves_ending: bool,
    pub(crate) action: &'a Action,
    /// The deadline that the step sets for its waits.
    pub(crate) within: Option<Duration>,
    /// For how long an answer has to stay the same.
    pub(crate) holds: HoldTimes,
    /// Whether another world is meant to reach what this step tries.
    pub(crate) opens_elsewhere: bool,
}

/// A step, and what is intended of it in this world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IntendedStep<'a> {
    pub(crate) request: StepRequest<'a>,
    pub(super) intended: &'a Answer,
}

impl<'a> WorldCase<'a> {
    /// The world of this name.
    ///
    /// # Errors
    /// When the scenario has none.
    pub(crate) fn find_world(loaded: &'a LoadedScenario, name: &'a str) -> Result<Self, Error> {
        let scenario = &loaded.scenario;
        let world = scenario.worlds.get(name);
        let world = world
            .ok_or_else(|| Error::scenario(format!("`{}` has no world `{name}`", loaded.id)))?;
        Ok(Self {
            loaded,
            name,
            world,
            shape: scenario.world_shape(world),
            install: scenario.world_installs(world),
        })
    }

    /// The scenario: `AREA/NAME`.
    pub(crate) fn id(&self) -> &'a str {
        &self.loaded.id
    }

    /// The world's name.
    pub(crate) fn world(&self) -> &'a str {
        self.name
    }

    pub(crate) fn shape(&self) -> &ClusterShape {
        &self.shape
    }

    pub(crate) fn install(&self) -> &BTreeSet<AddonInstall> {
        &self.install
    }

    pub(crate) fn has_addon(&self, addon: &'static PureAddon) -> bool {
        model::includes_addon(&self.install, addon)
    }

    /// The namespaces that its addons bring.
    pub(crate) fn addon_namespaces(&self) -> impl Iterator<Item = &'static str> {
        self.install.iter().filter_map(|one| one.addon().namespace)
    }

    /// The addon that lives in this namespace.
    pub(crate) fn addon_in(&self, namespace: &str) -> Option<&'static PureAddon> {
        let mut all = self.install.iter().map(|one| one.addon());
        all.find(|addon| addon.namespace == Some(namespace))
    }

    /// Whether a step changes the cluster itself.
    pub(crate) fn changes_cluster(&self) -> bool {
        self.loaded.scenario.changes_cluster(self.name)
    }

    /// Whether the world could be noticed by others.
    pub(crate) fn is_wide(&self) -> bool {
        scope::world_scope(self.loaded, self.name) == ImpactScope::Cluster
    }

    /// Whether it changes what nothing can put back, beyond its own namespaces.
    pub(crate) fn leaves_marks(&self) -> bool {
        scope::leaves_marks(self.loaded, self.name)
    }

    /// What is applied before the first step, in order.
    ///
    /// # Errors
    /// When a file is not there.
    pub(crate) fn controls(&self) -> Result<Vec<&'a ObjectManifest>, Error> {
        let mut controls = Vec::new();
        for file in &self.world.apply {
            let manifests = self.loaded.manifests.get(file);
            controls.extend(
                manifests.ok_or_else(|| Error::scenario(format!("there is no file `{file}`")))?,
            );
        }
        Ok(controls)
    }

    /// The only object of a manifest file.
    ///
    /// # Errors
    /// When it holds none, or several.
    pub(crate) fn manifest(&self, file: &str) -> Result<&'a ObjectManifest, Error> {
        self.loaded
            .single(file)
            .ok_or_else(|| Error::scenario(format!("`{file}` does not hold one object")))
    }

    /// The objects of a file; nothing for a file that holds no manifests.
    pub(crate) fn manifests_in(&self, file: &str) -> &'a [ObjectManifest] {
        self.loaded
            .manifests
            .get(file)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Every object of the scenario.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &'a ObjectManifest> {
        self.loaded.manifests.values().flatten()
    }

    /// The text of another file of the scenario.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn file_text(&self, file: &str) -> Result<String, Error> {
        Ok(self.loaded.file_text(file)?)
    }

    /// A node that the scenario names by its number, and that the cluster lacks.
    pub(crate) fn missing_node(&self, names: &PlaceholderValues) -> Option<String> {
        let manifests = self.manifests().map(|manifest| manifest.object.to_string());
        let missing = manifests
            .chain([self.loaded.text.clone()])
            .flat_map(|text| names.missing_names(&text));
        missing
            .into_iter()
            .find(|name| name == "node" || name.starts_with("node:"))
    }

    /// Whether a pod of it may be put on a node by name, past the scheduler: on one that is not there,
    /// too.
    pub(crate) fn places_pods(&self) -> bool {
        let mut steps = self.loaded.scenario.steps_in(self.name);
        let mut manifests = self.loaded.world_manifests(self.name);
        let is_placed = |object: &Value| {
            ["/spec/nodeName", "/spec/template/spec/nodeName"]
                .iter()
                .any(|place| object.pointer(place).is_some())
        };
        steps.any(|step| matches!(&step.action, Action::Bind { .. }))
            || manifests.any(|manifest| is_placed(&manifest.object))
    }

    /// Whether a step asks for the API server's metrics.
    pub(crate) fn reads_metrics(&self) -> bool {
        self.loaded
            .scenario
            .steps
            .iter()
            .any(|step| matches!(&step.action, Action::LookFor(ObservedRecord::Metric(_))))
    }

    /// The steps that this world takes, in order, with what is intended of each.
    ///
    /// # Errors
    /// When nothing is intended of one of them.
    pub(crate) fn steps(&self) -> Result<Vec<IntendedStep<'a>>, Error> {
        self.loaded
            .scenario
            .steps_in(self.name)
            .map(|step| self.intended_step(step))
            .collect()
    }

    fn intended_step(&self, step: &'a ScenarioStep) -> Result<IntendedStep<'a>, Error> {
        let intended = step.intended_verdict(self.name);
        let intended = intended
            .ok_or_else(|| Error::scenario(format!("step `{}` intends nothing here", step.id)))?;
        Ok(IntendedStep {
            request: StepRequest {
                opens_elsewhere: self.opens_elsewhere(step),
                ..StepRequest::from_step(step, HoldTimes::until(step, intended))
            },
            intended,
        })
    }

    fn opens_elsewhere(&self, step: &ScenarioStep) -> bool {
        let scenario = &self.loaded.scenario;
        let mut others = scenario.worlds.keys().filter(|other| *other != self.name);
        others.any(|other| {
            step.intended_verdict(other) == Some(&Answer::Reached)
                && scenario.steps_in(other).any(|one| one.id == step.id)
        })
    }
}

impl<'a> StepRequest<'a> {
    pub(crate) fn from_step(step: &'a ScenarioStep, holds: HoldTimes) -> Self {
        Self {
            id: &step.id,
            identity: step.identity.as_ref(),
            namespace: step.namespace.as_deref(),
            dry_run: step.dry_run,
            drops_unknown: step.drop_unknown_fields,
            container: step.container.as_deref(),
            leaves_ending: step.while_it_ends,
            action: &step.action,
            within: step.seconds(),
            holds,
            opens_elsewhere: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::world::testing::parse_scenario;

    use super::*;

    #[test]
    fn a_step_knows_whether_another_world_is_meant_to_reach_its_target() {
        let text = r#"
scenario: v2
why: it shows what a step knows
worlds:
  bare: {}
  shut: {}
  left: {skip-steps: [third]}
steps:
  - {id: first, do: {reach: {from: a, to: "tcp://b:80"}}, expect-in: {bare: reached, shut: {blocked: {at: connect}}, left: reached}}
  - {id: second, do: {reach: {from: a, to: "tcp://b:80"}}, expect: {blocked: {at: connect}}}
  - {id: third, do: {reach: {from: a, to: "tcp://b:80"}}, expect-in: {bare: reached, shut: {blocked: {at: connect}}}}
"#;
        let loaded = parse_scenario(text, &[]);
        let opens = |world: &str| {
            let case = WorldCase::find_world(&loaded, world).unwrap();
            let steps = case.steps().unwrap();
            steps
                .iter()
                .map(|step| step.request.opens_elsewhere)
                .collect::<Vec<_>>()
        };
        assert_eq!(opens("bare"), [true, false, false]);
        assert_eq!(opens("shut"), [true, false, true]);
        assert_eq!(opens("left"), [true, false]);
    }

    const TEXT: &str = r#"
scenario: v2
why: it shows what a case is
worlds:
  bare: {}
  guarded: {apply: [policy.yaml], skip-steps: [second]}
steps:
  - {id: first, do: {get: pod/web}, expect: allowed}
  - {id: second, do: {get: pod/$(node:7)}, expect-in: {bare: forbidden}}
"#;

    #[test]
    fn a_world_is_resolved_once() {
        let loaded = parse_scenario(
            TEXT,
            &[(
                "policy.yaml",
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
            )],
        );
        let case = WorldCase::find_world(&loaded, "guarded").unwrap();
        let steps = case.steps().unwrap();
        assert_eq!(
            steps.iter().map(|step| step.request.id).collect::<Vec<_>>(),
            ["first"]
        );
        assert_eq!(*steps[0].intended, Answer::Allowed);
        assert_eq!(case.controls().unwrap()[0].name(), "a");
        assert_eq!(
            WorldCase::find_world(&loaded, "bare")
                .unwrap()
                .steps()
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            case.missing_node(&PlaceholderValues::default()).as_deref(),
            Some("node:7")
        );
    }

    #[test]
    fn what_is_not_there_is_said() {
        let loaded = parse_scenario(TEXT, &[]);
        let why = |fault: Error| fault.in_one_line();
        assert_eq!(
            WorldCase::find_world(&loaded, "no")
                .map(|_| ())
                .map_err(why),
            Err("`test/case` has no world `no`".into())
        );
        let guarded = WorldCase::find_world(&loaded, "guarded").unwrap();
        assert_eq!(
            guarded.controls().map_err(why),
            Err("there is no file `policy.yaml`".into())
        );
        assert_eq!(
            guarded.manifest("x.yaml").map_err(why),
            Err("`x.yaml` does not hold one object".into())
        );
    }
}
