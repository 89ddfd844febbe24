//! What shows that Gatekeeper goes by what was written. Each of its pods says in the status of a
//! template or constraint which version it has taken in; what was deleted leaves such words behind
//! until each pod has let go of it. That the API server's requests meet these pods is shown by a
//! sentinel constraint that refuses.

use futures::FutureExt;
use model::addons::gatekeeper::ADDON;
use serde_json::{Value, json};
use wait::WaitLook;

use crate::barrier::{BarrierSite, SENTINEL_LABEL, WrittenObject, refused_by, within_barrier_time};
use crate::{AddonFuture, Error};

const TEMPLATES_GROUP: &str = "templates.gatekeeper.sh";
const CONSTRAINTS_GROUP: &str = "constraints.gatekeeper.sh";

/// Its pods.
pub(super) const PODS_PATH: &str =
    "/api/v1/namespaces/gatekeeper-system/pods?labelSelector=gatekeeper.sh%2Fsystem%3Dyes";

/// The collection of sentinel constraints.
pub(super) const SENTINELS_PATH: &str = "/apis/constraints.gatekeeper.sh/v1beta1/gauntletsentinel";

/// What the API server serves of constraints.
const KINDS_PATH: &str = "/apis/constraints.gatekeeper.sh/v1beta1";

/// Where its pods say what they have taken in.
const STATUSES_PATH: &str = "/apis/status.gatekeeper.sh/v1beta1/namespaces/gatekeeper-system";

/// The wait for templates and constraints.
pub(super) fn barrier_waits<'a>(
    site: &'a dyn BarrierSite,
    written: &'a [WrittenObject<'a>],
    _: &'a [WrittenObject<'a>],
) -> Vec<AddonFuture<'a>> {
    let is_concerned = written
        .iter()
        .any(|one| [TEMPLATES_GROUP, CONSTRAINTS_GROUP].contains(&one.group));
    is_concerned
        .then(|| wait_for_objects(site, written).boxed_local())
        .into_iter()
        .collect()
}

/// The wait for labels: constraints may go by those of namespaces.
pub(super) fn label_wait<'a>(
    site: &'a dyn BarrierSite,
    history: &'a [WrittenObject<'a>],
) -> Option<AddonFuture<'a>> {
    history
        .iter()
        .any(|one| one.group == CONSTRAINTS_GROUP)
        .then(|| namespace_labels(site).boxed_local())
}

async fn wait_for_objects(
    site: &dyn BarrierSite,
    written: &[WrittenObject<'_>],
) -> Result<(), Error> {
    let pods = names(&site.fetch_object(PODS_PATH).await?);
    for one in written {
        match (one.group, one.object) {
            (TEMPLATES_GROUP, Some(_)) => wait_for_template(site, one, &pods).await?,
            (TEMPLATES_GROUP, None) => {
                let label = format!(
                    "internal.gatekeeper.sh%2Fconstrainttemplate-name%3D{}",
                    one.name
                );
                let path =
                    format!("{STATUSES_PATH}/constrainttemplatepodstatuses?labelSelector={label}");
                wait_until_gone(site, one, &path).await?;
            }
            (CONSTRAINTS_GROUP, Some(_)) => wait_for_constraint(site, one, &pods).await?,
            (CONSTRAINTS_GROUP, None) => {
                let label = format!(
                    "internal.gatekeeper.sh%2Fconstraint-name%3D{},internal.gatekeeper.sh%2Fconstraint-kind%3D{}",
                    one.name, one.kind
                );
                wait_until_gone(
                    site,
                    one,
                    &format!("{STATUSES_PATH}/constraintpodstatuses?labelSelector={label}"),
                )
                .await?;
            }
            _ => {}
        }
    }
    let name = site.sentinel_name();
    let own = json!({"namespaces": [site.namespace()]});
    wait_for_refusal(
        site,
        &name,
        own,
        async || Ok(()),
        "Gatekeeper's constraints to be in force",
    )
    .await
}

/// Gatekeeper learns of namespaces' labels by a separate watch.
async fn namespace_labels(site: &dyn BarrierSite) -> Result<(), Error> {
    let name = site.sentinel_name();
    let label = format!(
        "{SENTINEL_LABEL}-{}",
        name.rsplit('-').next().unwrap_or_default()
    );
    let labelled = json!({"namespaces": [site.namespace()], "namespaceSelector": {"matchLabels": {&label: "yes"}}});
    let mark = async || site.label_namespace(&label, "yes").await;
    wait_for_refusal(site, &name, labelled, mark, "Gatekeeper to know the labels").await
}

/// Makes a sentinel that matches so, does something more, and waits until it refuses.
async fn wait_for_refusal(
    site: &dyn BarrierSite,
    name: &str,
    matched: Value,
    then: impl AsyncFnOnce() -> Result<(), Error>,
    what: &str,
) -> Result<(), Error> {
    site.make_part(SENTINELS_PATH, sentinel_constraint(name, matched))
        .await?;
    then().await?;
    let look = async || {
        let reply = site.try_lease(name).await;
        Ok(refused_by(&reply, &ADDON, name))
    };
    let refused = site
        .wait_until(within_barrier_time(what, 20), &mut || look().boxed_local())
        .await;
    site.remove_objects(vec![format!("{SENTINELS_PATH}/{name}")]);
    refused
}

/// Waits until every pod has taken a template in, and the API server serves its kind.
async fn wait_for_template(
    site: &dyn BarrierSite,
    one: &WrittenObject<'_>,
    pods: &[String],
) -> Result<(), Error> {
    let what = format!("{} {} to be served", one.kind, one.name);
    let look = async || {
        let template = site.fetch_object(&one.path).await?;
        let is_taken = by_every_pod(&template, pods, |said| {
            said["observedGeneration"] == template["metadata"]["generation"]
        });
        if !is_taken || template["status"]["created"] != true {
            return Ok(WaitLook::NotYet(format!(
                "its status {}",
                template["status"]
            )));
        }
        let list = site.fetch_object(KINDS_PATH).await?;
        let resources = list["resources"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let is_there = resources
            .iter()
            .any(|resource| resource["name"] == *one.name);
        Ok(WaitLook::when(is_there, || "its kind is not served".into()))
    };
    site.wait_until(within_barrier_time(&what, 30), &mut || look().boxed_local())
        .await
}

/// Waits until every pod goes by a constraint, or has turned it down for good.
async fn wait_for_constraint(
    site: &dyn BarrierSite,
    one: &WrittenObject<'_>,
    pods: &[String],
) -> Result<(), Error> {
    let what = format!("{} {} to count", one.kind, one.name);
    let look = async || {
        let constraint = site.fetch_object(&one.path).await?;
        let seen = || format!("its status {}", constraint["status"]);
        Ok(WaitLook::when(counts_everywhere(&constraint, pods), seen))
    };
    site.wait_until(within_barrier_time(&what, 30), &mut || look().boxed_local())
        .await
}

/// Waits until no pod has anything to say any more.
async fn wait_until_gone(
    site: &dyn BarrierSite,
    one: &WrittenObject<'_>,
    path: &str,
) -> Result<(), Error> {
    let what = format!("{} {} to be let go", one.kind, one.name);
    let look = async || {
        let list = site.fetch_object(path).await?;
        let left = list["items"].as_array().map_or(1, Vec::len);
        Ok(WaitLook::when(left == 0, || {
            format!("{left} pods still speak of it")
        }))
    };
    site.wait_until(within_barrier_time(&what, 30), &mut || look().boxed_local())
        .await
}

/// The names in a list.
pub(super) fn names(list: &Value) -> Vec<String> {
    let items = list["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned))
        .collect()
}

/// Whether every pod goes by this version of a constraint, or has turned it down for good.
pub(super) fn counts_everywhere(constraint: &Value, pods: &[String]) -> bool {
    by_every_pod(constraint, pods, |said| {
        let is_decided = said["enforced"] == true
            || said["errors"].as_array().is_some_and(|all| !all.is_empty());
        is_decided
            && said["observedGeneration"] == constraint["metadata"]["generation"]
            && said["constraintUID"] == constraint["metadata"]["uid"]
    })
}

/// Whether each of these pods, of which there are some, says so in an object's status.
fn by_every_pod(object: &Value, pods: &[String], is_so: impl Fn(&Value) -> bool) -> bool {
    let said = object["status"]["byPod"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    !pods.is_empty()
        && pods
            .iter()
            .all(|pod| said.iter().any(|one| one["id"] == **pod && is_so(one)))
}

/// The template of sentinels: a constraint of it refuses what has its own name.
pub(super) fn sentinel_template() -> Value {
    let rego = "package gauntletsentinel\n\nviolation[{\"msg\": \"a sentinel\"}] {\n  \
        input.review.object.metadata.name == input.parameters.name\n}\n";
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": "gauntletsentinel"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "GauntletSentinel"}, "validation": {"openAPIV3Schema": schema}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}],
        },
    })
}

/// A constraint that refuses the Lease of its own name where it matches.
pub(super) fn sentinel_constraint(name: &str, mut matched: Value) -> Value {
    matched["kinds"] = json!([{"apiGroups": ["coordination.k8s.io"], "kinds": ["Lease"]}]);
    json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "GauntletSentinel", "metadata": {"name": name},
        "spec": {"match": matched, "parameters": {"name": name}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pod: &str, generation: u8, enforced: bool) -> Value {
        json!({"id": pod, "observedGeneration": generation, "enforced": enforced, "constraintUID": "u"})
    }

    fn constraint(said: &[Value]) -> Value {
        json!({"metadata": {"generation": 2, "uid": "u"}, "status": {"byPod": said}})
    }

    #[test]
    fn a_constraint_counts_when_every_pod_says_so_of_this_version() {
        let pods = ["a".to_owned(), "b".to_owned()];
        assert!(counts_everywhere(
            &constraint(&[said("a", 2, true), said("b", 2, true)]),
            &pods
        ));
        assert!(!counts_everywhere(
            &constraint(&[said("a", 2, true)]),
            &pods
        ));
        assert!(!counts_everywhere(
            &constraint(&[said("a", 2, true), said("b", 1, true)]),
            &pods
        ));
        assert!(!counts_everywhere(
            &constraint(&[said("a", 2, true), said("b", 2, false)]),
            &pods
        ));
        assert!(
            !counts_everywhere(&constraint(&[said("a", 2, true)]), &[]),
            "pods that are not there say nothing"
        );
        let mut refused = said("b", 2, false);
        refused["errors"] = json!([{"code": "x"}]);
        assert!(counts_everywhere(
            &constraint(&[said("a", 2, true), refused]),
            &pods
        ));
    }

    #[test]
    fn an_earlier_object_of_that_name_does_not_count() {
        let mut one = constraint(&[said("a", 2, true)]);
        one["metadata"]["uid"] = json!("v");
        assert!(!counts_everywhere(&one, &["a".to_owned()]));
    }
}
