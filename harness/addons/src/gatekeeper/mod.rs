//! Gatekeeper, from the manifest of its release: the controller that decides and the one that audits. It is ready when a
//! constraint of ours counts in the pods of both, and the API server, on its word, has refused something.

mod barrier;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use kube::Client;
use model::addons::gatekeeper::ADDON;
use serde_json::{Value, json};

use crate::certificates::Certificates;
use crate::endpoints::described;
use crate::first_state::{Material, Workload};
use crate::install::InstallSite;
use crate::{LiveAddon, Pods, api, definitions, released};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: Some(Pods {
        workload: WORKLOAD,
        install: |site| install(site).boxed_local(),
    }),
    barrier: barrier::waits,
    labels: barrier::label_wait,
    endpoints: |_| described("Gatekeeper", "pods in the namespace gatekeeper-system"),
};

const WORKLOAD: Workload = Workload {
    definitions: |material| definitions::read(&material.data.join(RELEASE), |_| true),
    objects,
    text: include_str!("patches.yaml"),
    pods: &[
        "gatekeeper-system/control-plane=audit-controller",
        "gatekeeper-system/control-plane=controller-manager",
    ],
    // Its webhook for namespaces fails closed while its pods are held back.
    definition_names: &[],
    in_first_state: false,
};

/// The manifest of its release.
const RELEASE: &str = "gatekeeper.yaml";

/// The namespace and the constraint of its trial.
const TRIAL: &str = "gauntlet-trial-gatekeeper";

const EVERY: Duration = Duration::from_millis(50);

/// Installs it, and waits until it has refused what it has to.
async fn install(site: &InstallSite<'_>) -> Result<(), String> {
    site.put(&WORKLOAD).await?;
    trial(site.admin).await
}

fn objects(material: &Material) -> Result<Vec<Value>, String> {
    let made = Certificates::new("gatekeeper-webhook-service", "gatekeeper-system")?;
    let encoded = STANDARD.encode(&made.authority);
    let fill = [
        ("image", native::PROBE_IMAGE),
        ("authority", &made.authority),
        ("authority-base64", &encoded),
        ("certificate", &made.certificate),
        ("key", &made.key),
    ];
    released::objects(&material.data.join(RELEASE), WORKLOAD.text, &fill)
}

/// A constraint has to count in every pod, and on its account the API server has to refuse a Lease. The template stays:
/// it is that of every sentinel.
async fn trial(admin: &Client) -> Result<(), String> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIAL}});
    api::apply(admin, &namespace).await?;
    let template = barrier::template();
    api::until("Gatekeeper to take a template", EVERY, async || {
        api::apply(admin, &template).await.map(Some)
    })
    .await?;
    let path = format!("{}/{TRIAL}", barrier::SENTINELS);
    let constraint = barrier::sentinel(TRIAL, json!({"namespaces": [TRIAL]}));
    let taken = async || api::apply_at(admin, &path, &constraint).await.map(Some);
    api::until("Gatekeeper to take a constraint", EVERY, taken).await?;
    let counts = api::until(
        "Gatekeeper's pods to go by a constraint",
        EVERY,
        async || {
            let (constraint, pods) = (
                api::get(admin, &path).await?,
                api::get(admin, barrier::PODS).await?,
            );
            let counts = barrier::counts(&constraint.body, &barrier::names(&pods.body));
            if counts {
                Ok(Some(()))
            } else {
                Err(constraint.body["status"].to_string())
            }
        },
    );
    counts.await?;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": TRIAL, "namespace": TRIAL}});
    let refused = api::until("Gatekeeper to refuse a Lease", EVERY, async || {
        let answer = api::dry_run(admin, &lease).await?;
        let said = answer.said();
        let by_us = said.contains(&format!(
            "\"validation.gatekeeper.sh\" denied the request: [{TRIAL}] "
        ));
        if answer.code == 403 && by_us {
            Ok(Some(()))
        } else {
            Err(said)
        }
    });
    refused.await?;
    api::delete_at(admin, &path).await?;
    api::delete(admin, &namespace).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only what is built can be looked at.
    #[test]
    fn the_patches_fit_the_release() {
        let cache = native::Cache::from_env().unwrap();
        let component = native::components::titled("gatekeeper-3.23.1").unwrap();
        if !cache.built(component) {
            return;
        }
        let material = Material {
            data: cache.data(component, ""),
            sigstore: false,
        };
        let objects = objects(&material).unwrap();
        assert!(objects.iter().all(
            |object| object["kind"] != "Secret" || object["stringData"]["tls.key"].is_string()
        ));
        let deployments: Vec<&Value> = objects
            .iter()
            .filter(|object| object["kind"] == "Deployment")
            .collect();
        assert_eq!(deployments.len(), WORKLOAD.pods.len());
        for deployment in deployments {
            let pod = &deployment["spec"]["template"]["spec"];
            assert_eq!(
                pod["containers"][0]["command"],
                json!(["/manager"]),
                "as released"
            );
            assert_eq!(pod["containers"][0]["image"], native::PROBE_IMAGE);
        }
        let served = (WORKLOAD.definitions)(&material).unwrap();
        assert_eq!(served.len(), 17);
    }
}
