//! Installs what verifies images at admission, what brings secrets in, where they come from, and what answers for names.
//! Such an engine runs as pods of the test image, with its own program from the box; what it wants to find in the cluster
//! is partly ours (below `manifests`) and partly its own, read from its component's data. It is ready when it has been
//! seen at work: when the API server, on its word, has refused an object that is known to be bad, when a secret has come
//! in, when a ServiceAccount has been let in, or when a name has an address.

mod api;
mod certificates;
mod definitions;
mod dns;
mod external_secrets;
mod kyverno;
mod policy_controller;
mod tuf;
mod vault;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kube::Client;
use model::{ClusterSpec, Install};
use native::{Cache, FirstObject};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Error;

/// An engine.
struct Engine {
    install: Install,
    /// Its component.
    component: &'static str,
    /// The names of its definitions.
    definitions: &'static [&'static str],
    /// Reads its definitions from its component's data.
    read: fn(&Cache) -> Result<Vec<Value>, String>,
    /// Our own part: the controller with what it needs.
    manifest: &'static str,
    /// That, filled in; with trust in the box's Sigstore or without.
    objects: fn(sigstore: bool) -> Result<Vec<Value>, String>,
    /// Where its pods are, with their label.
    pods: &'static str,
}

const ENGINES: [&Engine; 3] = [&kyverno::ENGINE, &policy_controller::ENGINE, &dns::ENGINE];

/// Goes into the name of every first state: whoever changes what is in them without changing a manifest changes this.
const REVISION: u8 = 2;

/// What holds the pods of a first state back.
const GATE: &str = "gauntlet.dev/first-state";

/// Where an engine is installed.
pub(crate) struct Site<'a> {
    pub(crate) admin: &'a Client,
    pub(crate) running: &'a native::Running,
    pub(crate) cache: &'a Cache,
    /// Whether Fulcio, Rekor and a timestamp authority are there.
    pub(crate) sigstore: bool,
    /// Whether the cluster began with the engines in it, their pods held back.
    pub(crate) begun: bool,
}

impl Site<'_> {
    /// Makes an engine's definitions, unless they are there.
    async fn define(&self, engine: &Engine) -> Result<(), String> {
        if self.begun {
            return Ok(());
        }
        let (read, cache) = (engine.read, self.cache.clone());
        let found = tokio::task::spawn_blocking(move || read(&cache)).await.map_err(|why| why.to_string())??;
        definitions::install(self.admin, &found).await
    }

    /// Has an engine's pods start. A first state has no Secrets: how they are sealed is for each box to say.
    async fn run(&self, engine: &Engine) -> Result<(), String> {
        let mut objects = (engine.objects)(self.sigstore)?;
        if self.begun {
            objects.retain(is_secret);
        }
        api::apply_all(self.admin, &objects).await?;
        if self.begun { api::release(self.admin, engine.pods).await } else { Ok(()) }
    }
}

fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret"
}

/// A data file of an engine's component.
fn data(cache: &Cache, engine: &str, file: &str) -> Result<PathBuf, String> {
    let component = native::components::tool(engine).map_err(|why| why.to_string())?;
    Ok(cache.data(component, file))
}

fn wanted(cluster: &ClusterSpec) -> impl Iterator<Item = &'static Engine> {
    ENGINES.into_iter().filter(|engine| cluster.install.contains(&engine.install))
}

/// The name of the first state with this shape's engines; none where it has no engine.
pub(crate) fn first_state(cluster: &ClusterSpec) -> Result<Option<String>, native::Error> {
    let (mut name, mut hash) = (String::new(), Sha256::new());
    hash.update(format!("{REVISION} {} {} {}", cluster.has_sigstore(), native::PROBE_IMAGE, native::NODE_ADDRESS));
    for engine in wanted(cluster) {
        name += &format!("{}-", engine.component);
        hash.update(format!("{} {:?}", native::components::tool(engine.component)?.id(), engine.definitions));
        hash.update(engine.manifest);
    }
    let hash = tuf::hex(&hash.finalize());
    Ok((!name.is_empty()).then(|| format!("{name}{}", &hash[..12])))
}

/// What is in that first state: the definitions, and the engines themselves, their pods held back.
pub(crate) fn first_objects(cache: &Cache, cluster: &ClusterSpec) -> Result<Vec<FirstObject>, Error> {
    let mut all = Vec::new();
    for engine in wanted(cluster) {
        let failed = |why| Error::Engine { engine: engine.component, why };
        let definitions = (engine.read)(cache).map_err(failed)?.into_iter();
        all.extend(definitions.map(|object| first(definitions::served(&object).into(), object)));
        let objects = (engine.objects)(cluster.has_sigstore()).map_err(failed)?;
        all.extend(objects.into_iter().filter(|object| !is_secret(object)).map(held));
    }
    Ok(all)
}

/// An object of an engine; where it makes pods, they are held back.
fn held(mut object: Value) -> FirstObject {
    if object["kind"] != "Deployment" {
        return first(None, object);
    }
    object["spec"]["template"]["spec"]["schedulingGates"] = json!([{"name": GATE}]);
    first(Some(api::path(&object)), object)
}

fn first(in_force: Option<String>, object: Value) -> FirstObject {
    FirstObject { collection: api::collection(&object), in_force, object }
}

/// Installs the engines of `shape`, side by side, and says when each was ready, counted from `start`.
pub(crate) async fn install(
    site: &Site<'_>,
    cluster: &ClusterSpec,
    start: Instant,
) -> Result<Vec<(String, Duration)>, Error> {
    let kyverno = one(cluster, Install::Kyverno, "kyverno", start, async || {
        kyverno::install(site).await.map_err(|why| Error::Engine { engine: "Kyverno", why })
    });
    let policy_controller = one(cluster, Install::PolicyController, "policy-controller", start, async || {
        policy_controller::install(site).await.map_err(|why| Error::Engine { engine: "policy-controller", why })
    });
    let external_secrets = one(cluster, Install::ExternalSecrets, "external-secrets", start, async || {
        let engine = "External Secrets Operator";
        external_secrets::install(site).await.map_err(|why| Error::Engine { engine, why })
    });
    let vault = one(cluster, Install::Vault, "vault", start, async || {
        vault::install(site).await.map_err(|why| Error::Engine { engine: "Vault", why })
    });
    let dns = one(cluster, Install::Dns, "dns", start, async || {
        dns::install(site).await.map_err(|why| Error::Engine { engine: "CoreDNS", why })
    });
    let (kyverno, policy_controller, external_secrets, vault, dns) =
        tokio::try_join!(kyverno, policy_controller, external_secrets, vault, dns)?;
    Ok([kyverno, policy_controller, external_secrets, vault, dns].into_iter().flatten().collect())
}

/// Installs one engine, if it is wanted, and says when it was ready.
async fn one(
    cluster: &ClusterSpec,
    install: Install,
    name: &str,
    start: Instant,
    work: impl AsyncFnOnce() -> Result<(), Error>,
) -> Result<Option<(String, Duration)>, Error> {
    if !cluster.install.contains(&install) {
        return Ok(None);
    }
    work().await?;
    Ok(Some((name.to_owned(), start.elapsed())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_in_a_first_state_has_no_secret_and_its_pods_wait() {
        for engine in ENGINES {
            let objects = (engine.objects)(true).unwrap();
            assert_eq!(objects.iter().any(is_secret), engine.install != Install::Dns, "{}", engine.component);
            let held: Vec<FirstObject> = objects.into_iter().filter(|object| !is_secret(object)).map(held).collect();
            let deployment = held.iter().find(|first| first.object["kind"] == "Deployment").unwrap();
            let template = &deployment.object["spec"]["template"];
            assert_eq!(template["spec"]["schedulingGates"][0]["name"], GATE);
            let (namespace, label) = engine.pods.split_once('/').unwrap();
            let (key, value) = label.split_once('=').unwrap();
            assert_eq!(deployment.object["metadata"]["namespace"], namespace);
            assert_eq!(template["metadata"]["labels"][key], value);
            assert_eq!(deployment.in_force, Some(api::path(&deployment.object)));
        }
    }

    #[test]
    fn a_first_state_is_named_after_what_is_in_it() {
        let shape =
            |install: &[Install]| ClusterSpec { install: install.iter().copied().collect(), ..ClusterSpec::default() };
        let name = |install: &[Install]| first_state(&shape(install)).unwrap();
        assert_eq!(name(&[Install::Registry, Install::Sigstore]), None);
        let plain = name(&[Install::Kyverno]).unwrap();
        assert!(plain.starts_with("kyverno-"), "{plain}");
        assert_eq!(name(&[Install::Registry, Install::Kyverno]).unwrap(), plain);
        assert_ne!(name(&[Install::Sigstore, Install::Kyverno]).unwrap(), plain);
        assert_ne!(name(&[Install::PolicyController, Install::Kyverno]).unwrap(), plain);
    }
}
