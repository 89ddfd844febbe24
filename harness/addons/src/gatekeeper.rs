//! Gatekeeper, from the manifest of its release: the controller that decides and the one that
//! audits. It is ready when a constraint of ours counts in the pods of both, and the API server, on
//! its word, has refused something.

mod barrier;

use std::time::Duration;

use api::{reply_body, reply_message, server_message, status_code};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cluster::HostAccess;
use futures::FutureExt;
use model::addons::gatekeeper::ADDON;
use serde_json::{Value, json};
use wait::WaitLook;

use crate::admin::{Admin, wait_until};
use crate::certificates::WebhookCertificates;
use crate::endpoints::describe_line;
use crate::first_state::{AddonWorkload, ObjectInputs};
use crate::install::InstallSite;
use crate::{Error, LiveAddon, PodAddon, definitions, released};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: Some(PodAddon {
        workload: GATEKEEPER_WORKLOAD,
        install: |site| install_addon(site).boxed_local(),
    }),
    barrier: barrier::barrier_waits,
    labels: barrier::label_wait,
    endpoints: |_| describe_line("Gatekeeper", "pods in the namespace gatekeeper-system"),
};

const GATEKEEPER_WORKLOAD: AddonWorkload = AddonWorkload {
    definitions: |material| {
        definitions::read_definitions(&material.data.join(RELEASED_MANIFEST), |_| true)
    },
    objects,
    text: include_str!("gatekeeper/patches.yaml"),
    release: &[RELEASED_MANIFEST],
    pods: |_| {
        &[
            "gatekeeper-system/control-plane=audit-controller",
            "gatekeeper-system/control-plane=controller-manager",
        ]
    },
    // Its webhook for namespaces fails closed while its pods are not there.
    definition_names: &[],
    in_first_state: false,
};

/// The manifest of its release.
const RELEASED_MANIFEST: &str = "gatekeeper.yaml";

/// The namespace and the constraint of its trial.
const TRIAL_NAME: &str = "gauntlet-trial-gatekeeper";

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Installs it, and waits until it has refused what it has to.
async fn install_addon(site: &InstallSite<'_>) -> Result<(), Error> {
    site.put_objects(&GATEKEEPER_WORKLOAD).await?;
    try_constraint(site.admin).await
}

fn objects(material: &ObjectInputs) -> Result<Vec<Value>, Error> {
    let made = WebhookCertificates::for_service("gatekeeper-webhook-service", "gatekeeper-system")?;
    let encoded = STANDARD.encode(&made.authority);
    let fill = [
        ("image", HostAccess::PROBE_IMAGE),
        ("authority", &made.authority),
        ("authority-base64", &encoded),
        ("certificate", &made.certificate),
        ("key", &made.key),
    ];
    released::released_objects(material, &GATEKEEPER_WORKLOAD, &fill)
}

/// A constraint has to count in every pod, and on its account the API server has to refuse a Lease.
/// The template stays: it is that of every sentinel.
async fn try_constraint(admin: &Admin) -> Result<(), Error> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIAL_NAME}});
    admin.apply_object(&namespace).await?;
    let template = barrier::sentinel_template();
    wait_until("Gatekeeper to take a template", POLL_INTERVAL, async || {
        admin.apply_object(&template).await.map(WaitLook::Ready)
    })
    .await?;
    let path = format!("{}/{TRIAL_NAME}", barrier::SENTINELS_PATH);
    let constraint = barrier::sentinel_constraint(TRIAL_NAME, json!({"namespaces": [TRIAL_NAME]}));
    let taken = async || {
        admin
            .apply_at(&path, &constraint)
            .await
            .map(WaitLook::Ready)
    };
    wait_until("Gatekeeper to take a constraint", POLL_INTERVAL, taken).await?;
    let counts = wait_until(
        "Gatekeeper's pods to go by a constraint",
        POLL_INTERVAL,
        async || {
            let (constraint, pods) = (
                admin.get(&path).await?,
                admin.get(barrier::PODS_PATH).await?,
            );
            let constraint = reply_body(&constraint);
            let counts = barrier::counts_everywhere(constraint, &barrier::names(reply_body(&pods)));
            Ok(WaitLook::when(counts, || constraint["status"].to_string()))
        },
    );
    counts.await?;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": TRIAL_NAME, "namespace": TRIAL_NAME}});
    let refused = wait_until("Gatekeeper to refuse a Lease", POLL_INTERVAL, async || {
        let reply = admin.dry_run(&lease).await?;
        let words = format!("\"validation.gatekeeper.sh\" denied the request: [{TRIAL_NAME}] ");
        let by_us = server_message(&reply).is_some_and(|told| told.contains(&words));
        Ok(WaitLook::when(
            status_code(&reply) == Some(403) && by_us,
            || reply_message(&reply),
        ))
    });
    refused.await?;
    admin.delete_at(&path).await?;
    admin.delete_path(&namespace).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::first_state::tests::built_material;

    /// Only what is built can be looked at.
    #[test]
    fn the_patches_fit_the_release() {
        let Some(material) = built_material("gatekeeper-3.23.1", &[]) else {
            return;
        };
        let objects = objects(&material).unwrap();
        assert!(objects.iter().all(
            |object| object["kind"] != "Secret" || object["stringData"]["tls.key"].is_string()
        ));
        let deployments: Vec<&Value> = objects
            .iter()
            .filter(|object| object["kind"] == "Deployment")
            .collect();
        assert_eq!(
            deployments.len(),
            (GATEKEEPER_WORKLOAD.pods)(&material).len()
        );
        for deployment in deployments {
            let pod = &deployment["spec"]["template"]["spec"];
            assert_eq!(
                pod["containers"][0]["command"],
                json!(["/manager"]),
                "as released"
            );
            assert_eq!(pod["containers"][0]["image"], HostAccess::PROBE_IMAGE);
        }
        let served = (GATEKEEPER_WORKLOAD.definitions)(&material).unwrap();
        assert_eq!(served.len(), 17);
    }
}
