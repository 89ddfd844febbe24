//! Gatekeeper, from the manifest of its release: the controller that decides and the one that audits. It is ready when a
//! constraint of ours counts in the pods of both, and the API server, on its word, has refused something.

mod barrier;

use std::time::Duration;

use api::{body, code, message, said};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use model::addons::gatekeeper::ADDON;
use serde_json::{Value, json};
use wait::Look;

use crate::admin::{Admin, until};
use crate::certificates::Certificates;
use crate::endpoints::described;
use crate::first_state::{Material, Workload};
use crate::install::InstallSite;
use crate::{Error, LiveAddon, Pods, definitions, released};

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
async fn install(site: &InstallSite<'_>) -> Result<(), Error> {
    site.put(&WORKLOAD).await?;
    trial(site.admin).await
}

fn objects(material: &Material) -> Result<Vec<Value>, Error> {
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
async fn trial(admin: &Admin) -> Result<(), Error> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIAL}});
    admin.apply(&namespace).await?;
    let template = barrier::template();
    until("Gatekeeper to take a template", EVERY, async || {
        admin.apply(&template).await.map(Look::Ready)
    })
    .await?;
    let path = format!("{}/{TRIAL}", barrier::SENTINELS);
    let constraint = barrier::sentinel(TRIAL, json!({"namespaces": [TRIAL]}));
    let taken = async || admin.apply_at(&path, &constraint).await.map(Look::Ready);
    until("Gatekeeper to take a constraint", EVERY, taken).await?;
    let counts = until(
        "Gatekeeper's pods to go by a constraint",
        EVERY,
        async || {
            let (constraint, pods) = (admin.get(&path).await?, admin.get(barrier::PODS).await?);
            let constraint = body(&constraint);
            let counts = barrier::counts(constraint, &barrier::names(body(&pods)));
            Ok(Look::when(counts, || constraint["status"].to_string()))
        },
    );
    counts.await?;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": TRIAL, "namespace": TRIAL}});
    let refused = until("Gatekeeper to refuse a Lease", EVERY, async || {
        let reply = admin.dry_run(&lease).await?;
        let words = format!("\"validation.gatekeeper.sh\" denied the request: [{TRIAL}] ");
        let by_us = message(&reply).is_some_and(|told| told.contains(&words));
        Ok(Look::when(code(&reply) == Some(403) && by_us, || {
            said(&reply)
        }))
    });
    refused.await?;
    admin.delete_at(&path).await?;
    admin.delete(&namespace).await?;
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
