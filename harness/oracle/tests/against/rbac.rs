//! Roles, bindings and requests against the authorizer of an API server (`SubjectAccessReview`).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cluster::Cluster;
use futures::{StreamExt, stream};
use k8s_openapi::api::rbac::v1::PolicyRule;
use oracle::generate::rbac::{BOTH_NAMESPACES, NAME_TAG, RbacCase, rbac_case};
use oracle::rbac::{AccessRequest, RbacWorld, RequestUser, aggregated_rules, find_grant};
use oracle::scenario;
use proptest::strategy::ValueTree;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{SIDE_BY_SIDE, must, until};
use crate::cases::{cases, shrink, wanted};

/// The default number of requests.
const USUAL: usize = 4_000;

/// Requests about one world.
const EACH: usize = 60;

const API: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Each world gets names that no other had, so that nothing of an old one is in its way.
static WORLDS: AtomicUsize = AtomicUsize::new(0);

/// Compares; figures, or the first disagreement.
pub(crate) async fn compare(cluster: &Cluster) -> Result<String, String> {
    for name in BOTH_NAMESPACES {
        must(
            cluster,
            "POST",
            "/api/v1/namespaces",
            &json!({"metadata": {"name": name}}),
        )
        .await;
    }
    let bootstrap = bootstrap(cluster).await;
    let mut trees = cases(&rbac_case(EACH), wanted(USUAL).div_ceil(EACH / 2));
    let began = Instant::now();
    let worlds: Vec<RbacCase> = trees.iter().map(|tree| fresh(&tree.current())).collect();
    apply(cluster, &worlds).await;
    let applied = began.elapsed().as_secs_f64();
    let asked = worlds
        .iter()
        .enumerate()
        .flat_map(|(at, case)| case.asked.iter().map(move |asked| (at, asked)));
    let asked: Vec<_> = asked.collect();
    let answers = stream::iter(&asked)
        .map(async |(at, (user, request))| (*at, user, request, ask(cluster, user, request).await));
    let answers: Vec<_> = answers.buffer_unordered(SIDE_BY_SIDE).collect().await;
    let took = began.elapsed().as_secs_f64();
    let unions: Vec<RbacWorld> = worlds
        .iter()
        .map(|case| union(&bootstrap, &case.world))
        .collect();
    let says = |at: usize, user: &RequestUser, request: &AccessRequest| {
        find_grant(&unions[at], user, request).unwrap()
    };
    if let Some((at, ..)) = answers
        .iter()
        .find(|(at, user, request, allowed)| says(*at, user, request).is_some() != *allowed)
    {
        return Err(explain(cluster, &bootstrap, &mut trees[*at]).await);
    }
    let allowed = answers.iter().filter(|(.., allowed)| *allowed).count();
    if allowed * 10 < answers.len() || allowed * 10 > answers.len() * 9 {
        return Err(format!(
            "{allowed} of {} requests were allowed: the cases say too little",
            answers.len()
        ));
    }
    let (count, worlds) = (answers.len(), worlds.len());
    let speed = f64::from(u32::try_from(count).unwrap()) / (took - applied);
    Ok(format!(
        "{count} requests compared, {allowed} of them allowed, in {worlds} worlds; {took:.1} s, {speed:.0} requests a second"
    ))
}

async fn ask(cluster: &Cluster, user: &RequestUser, request: &AccessRequest) -> bool {
    let mut spec = json!({"user": user.name, "groups": user.groups});
    match request {
        AccessRequest::Path { verb, path } => {
            spec["nonResourceAttributes"] = json!({"verb": verb, "path": path})
        }
        AccessRequest::Resource {
            verb,
            group,
            resource,
            subresource,
            name,
            namespace,
        } => {
            spec["resourceAttributes"] = json!({"verb": verb, "group": group, "resource": resource,
                "subresource": subresource, "name": name, "namespace": namespace});
        }
    }
    let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let review = must(cluster, "POST", reviews, &json!({"spec": spec})).await;
    review["status"]["allowed"].as_bool().unwrap()
}

async fn explain(
    cluster: &Cluster,
    bootstrap: &RbacWorld,
    tree: &mut impl ValueTree<Value = RbacCase>,
) -> String {
    let found = async |case: RbacCase| {
        let case = fresh(&case);
        apply(cluster, std::slice::from_ref(&case)).await;
        let world = union(bootstrap, &case.world);
        for (user, request) in &case.asked {
            let says = find_grant(&world, user, request).unwrap();
            let allowed = ask(cluster, user, request).await;
            if says.is_some() != allowed {
                let scenario =
                    scenario::rbac_scenario(&case.world, user, request, says.as_ref()).unwrap();
                let says = says.map_or_else(
                    || "not allowed".to_owned(),
                    |grant| format!("allowed by {grant}"),
                );
                return Some(format!(
                    "the API server says: allowed={allowed}\nthe oracle says: {says}\n{scenario}"
                ));
            }
        }
        None
    };
    let smallest = shrink(tree, async |case| found(case).await.is_some()).await;
    found(smallest)
        .await
        .unwrap_or_else(|| "the smallest case does not disagree any more".into())
}

/// The case under names that were never used.
fn fresh(case: &RbacCase) -> RbacCase {
    let tag = format!("w{}-", WORLDS.fetch_add(1, Ordering::Relaxed));
    let world = RbacWorld {
        roles: renamed(&case.world.roles, &tag),
        cluster_roles: renamed(&case.world.cluster_roles, &tag),
        role_bindings: renamed(&case.world.role_bindings, &tag),
        cluster_role_bindings: renamed(&case.world.cluster_role_bindings, &tag),
    };
    let word = |text: &String| text.replace(NAME_TAG, &tag);
    let user = |user: &RequestUser| RequestUser {
        name: word(&user.name),
        groups: user.groups.iter().map(word).collect(),
    };
    RbacCase {
        world,
        asked: case
            .asked
            .iter()
            .map(|(who, what)| (user(who), what.clone()))
            .collect(),
    }
}

fn renamed<T: Serialize + DeserializeOwned>(objects: &T, tag: &str) -> T {
    serde_json::from_str(
        &serde_json::to_string(objects)
            .unwrap()
            .replace(NAME_TAG, tag),
    )
    .unwrap()
}

/// What the API server begins with.
async fn bootstrap(cluster: &Cluster) -> RbacWorld {
    async fn all<T: DeserializeOwned>(cluster: &Cluster, kind: &str) -> Vec<T> {
        let list = must(cluster, "GET", &format!("{API}/{kind}"), &Value::Null).await;
        serde_json::from_value(list["items"].clone()).unwrap()
    }
    RbacWorld {
        roles: all(cluster, "roles").await,
        cluster_roles: all(cluster, "clusterroles").await,
        role_bindings: all(cluster, "rolebindings").await,
        cluster_role_bindings: all(cluster, "clusterrolebindings").await,
    }
}

fn union(one: &RbacWorld, other: &RbacWorld) -> RbacWorld {
    fn both<T: Clone>(one: &[T], other: &[T]) -> Vec<T> {
        [one, other].concat()
    }
    RbacWorld {
        roles: both(&one.roles, &other.roles),
        cluster_roles: both(&one.cluster_roles, &other.cluster_roles),
        role_bindings: both(&one.role_bindings, &other.role_bindings),
        cluster_role_bindings: both(&one.cluster_role_bindings, &other.cluster_role_bindings),
    }
}

/// Puts worlds into the cluster, and waits until its authorizer knows all of it.
async fn apply(cluster: &Cluster, worlds: &[RbacCase]) {
    let mut objects = Vec::new();
    for world in worlds.iter().map(|case| &case.world) {
        objects.extend(
            world
                .roles
                .iter()
                .map(|role| (path("roles", &role.metadata.namespace), json!(role))),
        );
        objects.extend(
            world
                .cluster_roles
                .iter()
                .map(|role| (path("clusterroles", &None), json!(role))),
        );
        objects.extend(
            world
                .role_bindings
                .iter()
                .map(|one| (path("rolebindings", &one.metadata.namespace), json!(one))),
        );
        objects.extend(
            world
                .cluster_role_bindings
                .iter()
                .map(|one| (path("clusterrolebindings", &None), json!(one))),
        );
    }
    stream::iter(&objects)
        .for_each_concurrent(SIDE_BY_SIDE, async |(path, object)| {
            drop(must(cluster, "POST", path, object).await)
        })
        .await;
    for world in worlds.iter().map(|case| &case.world) {
        gathered(cluster, world).await;
    }
    canary(cluster).await;
}

fn path(kind: &str, namespace: &Option<String>) -> String {
    namespace.as_ref().map_or_else(
        || format!("{API}/{kind}"),
        |namespace| format!("{API}/namespaces/{namespace}/{kind}"),
    )
}

/// Waits until the roles that gather have gathered what the oracle says they do.
async fn gathered(cluster: &Cluster, world: &RbacWorld) {
    for role in world
        .cluster_roles
        .iter()
        .filter(|role| role.aggregation_rule.is_some())
    {
        let name = role.metadata.name.clone().unwrap();
        let texts = |rules: &[PolicyRule]| -> BTreeSet<String> {
            rules.iter().map(|rule| format!("{rule:?}")).collect()
        };
        let wanted = texts(&aggregated_rules(world, role).unwrap());
        until("a role to gather its rules", async || {
            let seen = must(
                cluster,
                "GET",
                &format!("{API}/clusterroles/{name}"),
                &Value::Null,
            )
            .await;
            let stored: Option<Vec<PolicyRule>> =
                serde_json::from_value(seen["rules"].clone()).unwrap();
            if texts(&stored.unwrap_or_default()) == wanted {
                Ok(())
            } else {
                Err(format!("{seen}, and not {wanted:?}"))
            }
        })
        .await;
    }
}

/// Waits until the authorizer knows a last object of each kind: it reads each kind's changes in
/// their order.
async fn canary(cluster: &Cluster) {
    let name = format!("w{}-canary", WORLDS.fetch_add(1, Ordering::Relaxed));
    let meta = json!({"name": name});
    let rule = |verb: &str| json!([{"verbs": [verb], "apiGroups": ["gauntlet.dev"], "resources": ["canaries"]}]);
    let bound = |kind: &str| {
        json!({"metadata": meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}]})
    };
    let one = Some("one".to_owned());
    for (kind, namespace, object) in [
        (
            "roles",
            &one,
            json!({"metadata": meta, "rules": rule("get")}),
        ),
        (
            "clusterroles",
            &None,
            json!({"metadata": meta, "rules": rule("list")}),
        ),
        ("rolebindings", &one, bound("Role")),
        ("clusterrolebindings", &None, bound("ClusterRole")),
    ] {
        must(cluster, "POST", &path(kind, namespace), &object).await;
    }
    let user = RequestUser {
        name,
        groups: Vec::new(),
    };
    for verb in ["get", "list"] {
        let request = AccessRequest::Resource {
            verb: verb.into(),
            group: "gauntlet.dev".into(),
            resource: "canaries".into(),
            subresource: String::new(),
            name: String::new(),
            namespace: "one".into(),
        };
        until("the authorizer to know the last role", async || {
            if ask(cluster, &user, &request).await {
                Ok(())
            } else {
                Err("not allowed".into())
            }
        })
        .await;
    }
}
