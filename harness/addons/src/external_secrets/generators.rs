//! What shows that External Secrets Operator has heard of a generator. No controller looks at
//! generators: when an ExternalSecret names one, it is looked up in a cache, which hears of all of a
//! kind by one watch, in order. So where an ExternalSecret has got something from a sentinel of the
//! same kind, the earlier ones are in that cache too.
//!
//! Nothing comes of the sentinels: what is made is not written anywhere.

use api::condition_status;
use futures::FutureExt;
use serde_json::{Value, json};
use wait::WaitLook;

use crate::barrier::{BarrierSite, WrittenObject, within_barrier_time};
use crate::{AddonFuture, Error};

const GENERATOR_GROUP: &str = "generators.external-secrets.io";
const GENERATOR_VERSION: &str = "generators.external-secrets.io/v1alpha1";
const SECRET_VERSION: &str = "external-secrets.io/v1";

/// A kind of generator that needs nothing outside.
#[derive(Clone, Copy, Debug)]
struct GeneratorKind {
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
    /// What one asks for.
    spec: fn() -> Value,
}

const GENERATOR_KINDS: [GeneratorKind; 5] = [
    GeneratorKind {
        kind: "ClusterGenerator",
        plural: "clustergenerators",
        namespaced: false,
        spec: || json!({"kind": "Fake", "generator": {"fakeSpec": {"data": {"none": "none"}}}}),
    },
    GeneratorKind {
        kind: "Fake",
        plural: "fakes",
        namespaced: true,
        spec: || json!({"data": {"none": "none"}}),
    },
    GeneratorKind {
        kind: "Password",
        plural: "passwords",
        namespaced: true,
        spec: || json!({"length": 8, "noUpper": false, "allowRepeat": true}),
    },
    GeneratorKind {
        kind: "SSHKey",
        plural: "sshkeys",
        namespaced: true,
        spec: || json!({"keyType": "ed25519"}),
    },
    GeneratorKind {
        kind: "UUID",
        plural: "uuids",
        namespaced: true,
        spec: || json!({}),
    },
];

/// A wait for each kind of generator that was written.
pub(super) fn generator_waits<'a>(
    site: &'a dyn BarrierSite,
    written: &'a [WrittenObject<'a>],
) -> impl Iterator<Item = AddonFuture<'a>> {
    let is_written = move |kind: &GeneratorKind| {
        let is_it = |one: &WrittenObject<'_>| one.group == GENERATOR_GROUP && one.kind == kind.kind;
        written.iter().any(is_it)
    };
    let concerned = GENERATOR_KINDS.into_iter().filter(is_written);
    concerned.map(move |kind| wait_until_known(site, kind).boxed_local())
}

/// Waits until the cache has heard of every generator of this kind that was written before now.
async fn wait_until_known(site: &dyn BarrierSite, kind: GeneratorKind) -> Result<(), Error> {
    let name = site.sentinel_name();
    let generators = kind.path(site.namespace());
    let secrets = format!(
        "/apis/{SECRET_VERSION}/namespaces/{}/externalsecrets",
        site.namespace()
    );
    site.make_part(&generators, kind.sentinel(&name)).await?;
    site.make_part(&secrets, kind.asked_for(&name)).await?;
    let asked = format!("{secrets}/{name}");
    let what = format!("External Secrets Operator to know of a {}", kind.kind);
    let look = async || {
        let object = site.fetch_object(&asked).await?;
        let status = format!("its status {}", object["status"]);
        let is_known = condition_status(&object, "Ready") == Some("True");
        Ok(WaitLook::when(is_known, || status))
    };
    let known = site
        .wait_until(within_barrier_time(&what, 20), &mut || look().boxed_local())
        .await;
    site.remove_objects(vec![asked, format!("{generators}/{name}")]);
    known
}

impl GeneratorKind {
    fn path(self, namespace: &str) -> String {
        let place = if self.namespaced {
            format!("namespaces/{namespace}/")
        } else {
            String::new()
        };
        format!("/apis/{GENERATOR_VERSION}/{place}{}", self.plural)
    }

    fn sentinel(self, name: &str) -> Value {
        json!({"apiVersion": GENERATOR_VERSION, "kind": self.kind, "metadata": {"name": name}, "spec": (self.spec)()})
    }

    /// What asks a generator of this kind once, and puts nothing anywhere.
    fn asked_for(self, name: &str) -> Value {
        let generator = json!({"apiVersion": GENERATOR_VERSION, "kind": self.kind, "name": name});
        json!({
            "apiVersion": SECRET_VERSION, "kind": "ExternalSecret", "metadata": {"name": name},
            "spec": {
                "refreshInterval": "0s", "target": {"creationPolicy": "None"},
                "dataFrom": [{"sourceRef": {"generatorRef": generator}}],
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use model::addons::external_secrets::ADDON;

    use super::*;

    /// A kind that counts as waited for has to be.
    #[test]
    fn every_generator_that_may_be_written_is_waited_for() {
        let served = ADDON
            .kinds
            .iter()
            .filter(|kind| kind.group == GENERATOR_GROUP);
        let mut served: Vec<&str> = served.map(|kind| kind.kind).collect();
        served.sort_unstable();
        assert_eq!(served, GENERATOR_KINDS.map(|kind| kind.kind));
    }

    #[test]
    fn a_sentinel_of_a_namespace_stays_in_it_and_is_asked_by_its_name() {
        for kind in GENERATOR_KINDS {
            let path = kind.path("gauntlet-sentinel");
            assert_eq!(
                path.contains("/namespaces/gauntlet-sentinel/"),
                kind.namespaced
            );
            let asked = kind.asked_for("c-1");
            let named = &asked["spec"]["dataFrom"][0]["sourceRef"]["generatorRef"];
            assert_eq!(named["name"], kind.sentinel("c-1")["metadata"]["name"]);
            assert_eq!(named["kind"], kind.kind);
            assert_eq!(asked["spec"]["target"]["creationPolicy"], "None");
        }
    }
}
