//! How long places take to follow a rotation, with intervals of a minute: many pods, each with its
//! own Secret, mounted and copied by External Secrets Operator from where it is into another.
//! Kubelet and operator count from a pod's or a copy's start, so each rotation comes at another
//! moment of that minute. That moment is what the figure varies, and not a wait for something: a
//! world gets there by another rotation, which its pod's environment never follows and which is
//! watched for that long.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cluster::Cluster;
use engine::WorldTrial;
use model::{ClusterSpec, FigureName, LoadedScenario, WorldOutcome};
use runner::RunOptions;
use serde_json::{Value, json};

use crate::Boxes;
use crate::clusters::make_scenario;
use crate::stats::SampleSummary;

/// The places that follow.
const WATCHED_PLACES: [&str; 3] = ["api", "copy", "file"];

/// No kubelet takes longer: twice its interval, and some.
const FOLLOWS_WITHIN: u16 = 150;

/// Each rotation is one world, and they run side by side.
#[expect(clippy::print_stdout, reason = "this is a command")]
pub(crate) async fn measure_rotation(
    boxes: &Boxes,
    pods: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let scenario = Arc::new(rotation_scenario(pods)?);
    let cluster = boxes
        .start_as(
            "figures-rotation",
            &ClusterSpec::resolve(&scenario, &rotation_world(0))?,
        )
        .await?;
    let lags = round(&cluster, &scenario, pods).await?;
    cluster.take_down().await?;
    let mut csv = String::from("pod,place,seconds\n");
    for (pod, place, lag) in &lags {
        writeln!(csv, "{pod},{place},{:.3}", lag.as_secs_f64())?;
    }
    std::fs::write(out.join("rotation.csv"), csv)?;
    for place in WATCHED_PLACES {
        let these = lags
            .iter()
            .filter(|(_, at, _)| at == place)
            .map(|(_, _, lag)| lag.as_secs_f64())
            .collect();
        SampleSummary::from_samples(these)
            .into_iter()
            .for_each(|spread| println!("{place:8} {spread} s"));
    }
    Ok(())
}

/// One world for each pod; each takes the one phase that is its own.
fn rotation_scenario(pods: usize) -> Result<LoadedScenario, Box<dyn Error>> {
    let others = |pod: usize| {
        (0..pods)
            .filter(|other| *other != pod)
            .map(phase)
            .collect::<Vec<_>>()
    };
    let worlds: serde_json::Map<String, Value> = (0..pods)
        .map(|pod| {
            (
                rotation_world(pod),
                json!({"skip-steps": others(pod), "apply": ["secrets.yaml", "copy.yaml"]}),
            )
        })
        .collect();
    let rotate = json!({"secret": "db", "key": "password", "to": "new", "within": FOLLOWS_WITHIN, "watch": {
        "api": {"object": "secret/db"}, "copy": {"object": "secret/copy"}, "file": {"file": {"pod": "app", "path": "/etc/db/password"}}}});
    let step =
        |id: &str, action: Value, expect: &str| json!({"id": id, "do": action, "expect": expect});
    let wait = |pod: usize| {
        let watch = json!({"environment": {"environment": {"pod": "app"}}});
        json!({"rotate": {"secret": "phase", "key": "value", "to": "next", "within": 60 * pod / pods, "watch": watch}})
    };
    let mut steps = vec![
        step("pod", json!({"create": "pod.yaml"}), "admitted"),
        step("runs", json!({"wait-running": "pod/app"}), "running"),
        step(
            "copied",
            json!({"look-for": {"field": {"of": "secret/copy", "at": "/data/password"}}}),
            "found",
        ),
    ];
    steps.extend((0..pods).map(|pod| step(&phase(pod), wait(pod), "admitted")));
    steps.push(step("rotate", json!({"rotate": rotate}), "admitted"));
    let propagated = |place| {
        step(
            place,
            json!({"check-propagation": {"of": "rotate", "place": place}}),
            "updated",
        )
    };
    steps.extend(WATCHED_PLACES.map(propagated));
    let install = ["external-secrets"];
    let file = json!({"scenario": "v2", "why": "A figure.", "install": install, "worlds": worlds, "steps": steps});
    let secrets = vec![
        watched_secret("db", "password"),
        watched_secret("phase", "value"),
    ];
    let manifests = [
        ("secrets.yaml", secrets),
        ("copy.yaml", eso_copy()),
        ("pod.yaml", vec![pod()]),
    ];
    make_scenario(
        "figures/rotation",
        file,
        manifests.map(|(name, objects)| (name.to_owned(), objects)),
    )
}

fn rotation_world(pod: usize) -> String {
    format!("pod-{pod}")
}

fn phase(pod: usize) -> String {
    format!("phase-{pod}")
}

fn watched_secret(name: &str, key: &str) -> Value {
    let value = format!("$(canary:{name})");
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: value}})
}

/// What External Secrets Operator needs to copy `db` each minute.
fn eso_copy() -> Vec<Value> {
    const RBAC: &str = "rbac.authorization.k8s.io";
    let object = |group: &str, kind: &str, name: &str, rest: Value| {
        let mut object = json!({"apiVersion": group, "kind": kind, "metadata": {"name": name}});
        if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
            object.extend(rest);
        }
        object
    };
    let rbac = format!("{RBAC}/v1");
    let rules = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    let binding = json!({
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "$(namespace)"}]});
    let store = json!({"spec": {"provider": {"kubernetes": {
        "remoteNamespace": "$(namespace)",
        "server": {"caProvider": {"type": "ConfigMap", "name": "kube-root-ca.crt", "key": "ca.crt"}},
        "auth": {"serviceAccount": {"name": "reader"}}}}}});
    let wanted = json!({"spec": {
        "secretStoreRef": {"kind": "SecretStore", "name": "here"},
        "refreshInterval": "1m",
        "data": [{"secretKey": "password", "remoteRef": {"key": "db", "property": "password"}}]}});
    vec![
        object("v1", "ServiceAccount", "reader", json!({})),
        object(&rbac, "Role", "reader", rules),
        object(&rbac, "RoleBinding", "reader", binding),
        object("external-secrets.io/v1", "SecretStore", "here", store),
        object("external-secrets.io/v1", "ExternalSecret", "copy", wanted),
    ]
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "main", "image": "$(image:probe)", "imagePullPolicy": "Never", "args": ["pause"],
            "env": [{"name": "PHASE", "valueFrom": {"secretKeyRef": {"name": "phase", "key": "value"}}}],
            "volumeMounts": [{"name": "db", "mountPath": "/etc/db"}]}],
        "volumes": [{"name": "db", "secret": {"secretName": "db"}}]}})
}

async fn round(
    cluster: &Cluster,
    scenario: &Arc<LoadedScenario>,
    pods: usize,
) -> Result<Vec<(String, String, Duration)>, Box<dyn Error>> {
    let trials = (0..pods)
        .map(|pod| WorldTrial {
            scenario: Arc::clone(scenario),
            world: rotation_world(pod),
        })
        .collect();
    let options = RunOptions {
        worlds_at_once: pods,
        ends_at_failure: true,
        ..RunOptions::default()
    };
    let outcomes = runner::try_worlds(cluster, trials, options).await;
    let mut lags = Vec::new();
    for (trial, outcome) in outcomes {
        let world = trial.world;
        let WorldOutcome::Tried(cells) = outcome else {
            return Err(format!("{world} was not tried").into());
        };
        for place in WATCHED_PLACES {
            let after = cells.get(place).and_then(|cell| {
                cell.detail
                    .figures
                    .get(&FigureName::UpdatedAfter)?
                    .duration()
            });
            let after =
                after.ok_or_else(|| format!("{world}: the {place} did not follow: {cells:?}"))?;
            lags.push((world.clone(), place.to_owned(), after));
        }
    }
    Ok(lags)
}
