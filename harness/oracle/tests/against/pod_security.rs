//! Pods, and ephemeral containers of pods, against the admission of an API server (`dryRun=All`).

use std::collections::BTreeSet;
use std::time::Instant;

use cluster::Cluster;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{EphemeralContainer, Pod};
use oracle::generate::pod_security::{
    RELEASE_VERSIONS, any_level, any_pod, any_version, ephemeral_container,
};
use oracle::pod_security::{
    ReleaseVersion, SecurityCheck, SecurityLevel, denial_reasons, find_violations,
};
use oracle::scenario;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};

use crate::api::{Reply, SIDE_BY_SIDE, must, send, until};
use crate::cases::{cases, shrink, wanted};

/// The default number of cases.
const USUAL: usize = 4_000;

/// The most cases in a hundred that the API server may find invalid, so that it says nothing about
/// them.
const INVALID: usize = 5;

/// What is tried.
#[derive(Clone, Debug)]
enum Tried {
    Pod(Box<Pod>),
    /// An ephemeral container, added to a pod that complies or to one that says nothing.
    Added {
        to_plain: bool,
        container: Box<EphemeralContainer>,
    },
}

type Case = (Tried, SecurityLevel, ReleaseVersion);

fn case() -> impl Strategy<Value = Case> {
    let added =
        (any::<bool>(), ephemeral_container()).prop_map(|(to_plain, container)| Tried::Added {
            to_plain,
            container: Box::new(container),
        });
    (
        prop_oneof![6 => any_pod().prop_map(|pod| Tried::Pod(Box::new(pod))), 1 => added],
        any_level(),
        any_version(),
    )
}

/// Compares; figures, or the first disagreement.
pub(crate) async fn compare(cluster: &Cluster) -> Result<String, String> {
    prepare(cluster).await;
    let mut trees = cases(&case(), wanted(USUAL));
    let began = Instant::now();
    let tried = stream::iter(trees.iter().enumerate())
        .map(async |(at, tree)| (at, judge(cluster, &tree.current()).await));
    let tried: Vec<(usize, Judged)> = tried.buffer_unordered(SIDE_BY_SIDE).collect().await;
    let took = began.elapsed().as_secs_f64();
    if let Some((at, _)) = tried
        .iter()
        .find(|(_, judged)| matches!(judged, Judged::Disagrees(_)))
    {
        return Err(explain(cluster, &mut trees[*at]).await);
    }
    let count =
        |wanted: fn(&Judged) -> bool| tried.iter().filter(|(_, judged)| wanted(judged)).count();
    let (invalid, denied) = (
        count(|judged| matches!(judged, Judged::Invalid)),
        count(Judged::is_denied),
    );
    let compared = tried.len() - invalid;
    if invalid * 100 > tried.len() * INVALID {
        return Err(format!(
            "{invalid} of {} cases were invalid to the API server",
            tried.len()
        ));
    }
    let seen: BTreeSet<SecurityCheck> = tried
        .iter()
        .flat_map(|(_, judged)| judged.checks())
        .copied()
        .collect();
    let never: Vec<_> = SecurityCheck::ALL
        .iter()
        .filter(|check| !seen.contains(check))
        .collect();
    if tried.len() >= USUAL && !never.is_empty() {
        return Err(format!("no case violated {never:?}"));
    }
    let speed = f64::from(u32::try_from(compared).unwrap()) / took;
    Ok(format!(
        "{compared} compared, {denied} of them denied, {invalid} invalid; {took:.1} s, {speed:.0} a second"
    ))
}

enum Judged {
    /// Both say that these checks are violated.
    Agrees(Vec<SecurityCheck>),
    Disagrees(String),
    Invalid,
}

impl Judged {
    fn checks(&self) -> &[SecurityCheck] {
        if let Self::Agrees(checks) = self {
            checks
        } else {
            &[]
        }
    }

    fn is_denied(&self) -> bool {
        !self.checks().is_empty()
    }
}

async fn judge(cluster: &Cluster, case: &Case) -> Judged {
    let (tried, level, version) = case;
    let namespace = namespace(*level, *version);
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    let reply = match tried {
        Tried::Pod(pod) => send(cluster, "POST", &format!("{pods}?dryRun=All"), &json!(pod)).await,
        Tried::Added {
            to_plain,
            container,
        } => {
            let path = format!("{pods}/{}/ephemeralcontainers?dryRun=All", base(*to_plain));
            send(
                cluster,
                "PATCH",
                &path,
                &json!({"spec": {"ephemeralContainers": [container]}}),
            )
            .await
        }
    };
    let says = find_violations(&whole(tried), *level, *version, server(cluster));
    let reasons: Vec<&str> = says.iter().map(|check| check.reason()).collect();
    match reply {
        Reply::Done(_) if says.is_empty() => Judged::Agrees(says),
        Reply::Done(_) => Judged::Disagrees("it was allowed".into()),
        Reply::Refused(422, _) => Judged::Invalid,
        Reply::Refused(403, message)
            if denial_reasons(&message).is_some_and(|said| said == reasons) =>
        {
            Judged::Agrees(says)
        }
        Reply::Refused(code, message) => Judged::Disagrees(format!("{code} {message}")),
    }
}

/// The pod as it would be.
fn whole(tried: &Tried) -> Pod {
    match tried {
        Tried::Pod(pod) => (**pod).clone(),
        Tried::Added {
            to_plain,
            container,
        } => {
            let mut pod: Pod = serde_json::from_value(base_pod(*to_plain)).unwrap();
            pod.spec.as_mut().unwrap().ephemeral_containers = Some(vec![(**container).clone()]);
            pod
        }
    }
}

async fn explain(cluster: &Cluster, tree: &mut impl ValueTree<Value = Case>) -> String {
    let disagrees = async |case: Case| matches!(judge(cluster, &case).await, Judged::Disagrees(_));
    let case = shrink(tree, disagrees).await;
    let said = match judge(cluster, &case).await {
        Judged::Disagrees(said) => said,
        _ => "the smallest case does not disagree any more".into(),
    };
    let (tried, level, version) = &case;
    let pod = whole(tried);
    let says = find_violations(&pod, *level, *version, server(cluster));
    let scenario = scenario::pod_security(&pod, *level, *version, &says).unwrap();
    format!("the API server says: {said}\nthe oracle says: {says:?}\n{scenario}")
}

/// The minor version of the server.
fn server(cluster: &Cluster) -> u32 {
    cluster
        .facts()
        .version
        .split('.')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn namespace(level: SecurityLevel, version: ReleaseVersion) -> String {
    format!("{level}-{}", version.to_string().replace('.', "-"))
}

fn base(plain: bool) -> &'static str {
    if plain { "plain" } else { "good" }
}

/// The pods that ephemeral containers are added to. No node takes them.
fn base_pod(plain: bool) -> Value {
    let context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let mut container = json!({"name": "main", "image": "example.org/image:1"});
    let mut spec = json!({});
    if !plain {
        container["securityContext"] = context;
        spec["securityContext"] =
            json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    }
    spec["containers"] = json!([container]);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": base(plain)}, "spec": spec})
}

/// A namespace for each level and version, with the pods in it, and its label in force.
async fn prepare(cluster: &Cluster) {
    let levels = [SecurityLevel::Baseline, SecurityLevel::Restricted];
    let all = levels
        .into_iter()
        .flat_map(|level| RELEASE_VERSIONS.map(|version| (level, version)));
    stream::iter(all)
        .for_each_concurrent(SIDE_BY_SIDE, async |(level, version)| {
            prepare_one(cluster, level, version).await
        })
        .await;
}

async fn prepare_one(cluster: &Cluster, level: SecurityLevel, version: ReleaseVersion) {
    let name = namespace(level, version);
    must(
        cluster,
        "POST",
        "/api/v1/namespaces",
        &json!({"metadata": {"name": name}}),
    )
    .await;
    let pods = format!("/api/v1/namespaces/{name}/pods");
    for plain in [false, true] {
        until("a pod to be taken", async || {
            match send(cluster, "POST", &pods, &base_pod(plain)).await {
                Reply::Done(_) => Ok(()),
                Reply::Refused(code, message) => Err(format!("{code} {message}")),
            }
        })
        .await;
    }
    let key = "pod-security.kubernetes.io/enforce";
    let labels = json!({key: level.to_string(), format!("{key}-version"): version.to_string()});
    must(
        cluster,
        "PATCH",
        &format!("/api/v1/namespaces/{name}"),
        &json!({"metadata": {"labels": labels}}),
    )
    .await;
    let mut canary = base_pod(true);
    canary["metadata"]["name"] = json!("canary");
    canary["spec"]["hostPID"] = json!(true);
    let wanted = format!("\"{level}:{version}\": host namespaces");
    until("the label to be in force", async || {
        match send(cluster, "POST", &format!("{pods}?dryRun=All"), &canary).await {
            Reply::Refused(_, message) if message.contains(&wanted) => Ok(()),
            Reply::Refused(code, message) => Err(format!("{code} {message}")),
            Reply::Done(_) => Err("it was allowed".into()),
        }
    })
    .await;
}
