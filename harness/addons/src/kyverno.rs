//! Kyverno, from the manifest of its release: its admission controller, and the controllers beside
//! it where a scenario asks for them.

mod barrier;
mod trial;

use std::path::Path;

use cluster::HostAccess;
use futures::FutureExt;
use k8s_openapi::jiff::Timestamp;
use model::addons::kyverno::ADDON;
use model::addons::{kyverno_controllers, sigstore};
use serde_json::{Value, json};

use crate::certificates::WebhookCertificates;
use crate::endpoints::describe_line;
use crate::first_state::{AddonWorkload, ObjectInputs};
use crate::install::InstallSite;
use crate::{Error, LiveAddon, PodAddon, definitions, released, tuf};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: Some(PodAddon {
        workload: KYVERNO_WORKLOAD,
        install: |site| install_addon(site).boxed_local(),
    }),
    barrier: barrier::barrier_waits,
    labels: barrier::label_wait,
    endpoints: |_| describe_line("Kyverno", "pods in the namespace kyverno"),
};

const KYVERNO_WORKLOAD: AddonWorkload = AddonWorkload {
    definitions: |material| {
        definitions::read_definitions(&material.data.join(RELEASED_MANIFEST), |_| true)
    },
    objects,
    text: include_str!("kyverno/patches.yaml"),
    release: &[RELEASED_MANIFEST],
    pods: |material| {
        let [first, ..] = &POD_NAMES;
        if material.has(&kyverno_controllers::ADDON) {
            POD_NAMES.as_slice()
        } else {
            std::slice::from_ref(first)
        }
    },
    definition_names: &[],
    in_first_state: true,
};

/// Its pods, those of the admission controller first.
static POD_NAMES: [&str; 4] = [
    "kyverno/app.kubernetes.io/component=admission-controller",
    "kyverno/app.kubernetes.io/component=background-controller",
    "kyverno/app.kubernetes.io/component=cleanup-controller",
    "kyverno/app.kubernetes.io/component=reports-controller",
];

/// The Services of those that have webhooks.
const ADMISSION_SERVICE: &str = "kyverno-svc";
const CLEANUP_SERVICE: &str = "kyverno-cleanup-controller";

/// The manifest of its release.
const RELEASED_MANIFEST: &str = "install.yaml";

/// Installs it, and waits until it has refused what it has to.
async fn install_addon(site: &InstallSite<'_>) -> Result<(), Error> {
    let publish = async || {
        if site.material.has(&sigstore::ADDON) {
            tuf::publish_repository(site.host_access).await
        } else {
            Ok(())
        }
    };
    tokio::try_join!(site.make_definitions(&KYVERNO_WORKLOAD), publish())?;
    site.run_pods(&KYVERNO_WORKLOAD).await?;
    site.admin.apply_object(&sign_of_life()).await?;
    trial::try_policy(site.admin).await?;
    if site.material.has(&kyverno_controllers::ADDON) {
        trial::try_controllers(site.admin).await?;
    }
    Ok(())
}

/// What an earlier Kyverno would have left a moment ago. Without it, it waits a second before it
/// makes its webhooks, for fear that it was away for long; whether it works is for the trial to
/// say.
fn sign_of_life() -> Value {
    let now = Timestamp::now().to_string();
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": "kyverno-health", "namespace": "kyverno", "annotations": {"kyverno.io/last-request-time": now},
        },
    })
}

fn objects(material: &ObjectInputs) -> Result<Vec<Value>, Error> {
    let folder = Path::new(HostAccess::INSIDE).join(tuf::TUF_FOLDER);
    let fill = [
        ("image", HostAccess::PROBE_IMAGE),
        ("node-address", HostAccess::NODE_ADDRESS),
        ("tuf-folder", &folder.to_string_lossy()),
    ];
    let mut objects = released::released_objects(material, &KYVERNO_WORKLOAD, &fill)?;
    objects.extend(tls_secrets(ADMISSION_SERVICE)?);
    if material.has(&kyverno_controllers::ADDON) {
        objects.extend(tls_secrets(CLEANUP_SERVICE)?);
    }
    Ok(objects)
}

/// The two Secrets of a controller with webhooks. It makes those that are not there one at a time, a
/// second before each.
fn tls_secrets(service: &str) -> Result<[Value; 2], Error> {
    let made = WebhookCertificates::for_service(service, "kyverno")?;
    Ok([
        tls_secret(service, "ca", &made.authority, &made.authority_key),
        tls_secret(service, "pair", &made.certificate, &made.key),
    ])
}

fn tls_secret(service: &str, end: &str, certificate: &str, key: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {
            "name": format!("{service}.kyverno.svc.kyverno-tls-{end}"), "namespace": "kyverno",
            "labels": {"cert.kyverno.io/managed-by": "kyverno"},
        },
        "stringData": {"tls.crt": certificate, "tls.key": key},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::first_state::tests::{built_material, of_kind};

    fn material(beside: &[&'static str]) -> Option<ObjectInputs> {
        built_material("kyverno-1.19.1", beside)
    }

    #[test]
    fn the_patches_fit_the_release_and_leave_its_rights_alone() {
        let Some(material) = material(&[]) else {
            return;
        };
        let objects = objects(&material).unwrap();
        assert!(!Value::from(objects.clone()).to_string().contains("$(node"));
        assert_eq!(of_kind(&objects, "Secret").len(), 2);
        assert_eq!(of_kind(&objects, "ServiceAccount").len(), 4);
        for binding in of_kind(&objects, "ClusterRoleBinding") {
            assert_ne!(binding["roleRef"]["name"], "cluster-admin");
        }
        let deployments = of_kind(&objects, "Deployment");
        let [deployment] = deployments.as_slice() else {
            panic!("{} Deployments", deployments.len())
        };
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert!(pod.get("initContainers").is_none() && container["readinessProbe"].is_object());
        let modes: Vec<_> = pod["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["projected"]["defaultMode"])
            .collect();
        assert!(
            modes.contains(&&json!(0o444)),
            "octal, as YAML 1.1 has it: {modes:?}"
        );
        assert_eq!(container["securityContext"]["runAsNonRoot"], true);
        let text = container["args"].to_string();
        assert!(text.contains("--generateValidatingAdmissionPolicy=true"));
        assert!(!text.contains("--enableTuf"));
        let filters = &of_kind(&objects, "ConfigMap")[0]["data"]["resourceFilters"];
        assert!(filters.as_str().unwrap().matches('[').count() > 80);
        assert_eq!((KYVERNO_WORKLOAD.definitions)(&material).unwrap().len(), 22);
    }

    #[test]
    fn the_other_controllers_are_those_of_the_release() {
        let Some(material) = material(&["kyverno-controllers"]) else {
            return;
        };
        let objects = objects(&material).unwrap();
        assert_eq!(of_kind(&objects, "Secret").len(), 4);
        let deployments = of_kind(&objects, "Deployment");
        assert_eq!(deployments.len(), (KYVERNO_WORKLOAD.pods)(&material).len());
        let programs: Vec<_> = deployments
            .iter()
            .map(|one| &one["spec"]["template"]["spec"]["containers"][0]["command"][0])
            .collect();
        let component = components::find_titled("kyverno-1.19.1").unwrap();
        for program in component.binaries {
            let path = json!(format!("/kyverno/{program}"));
            assert!(programs.contains(&&path), "{path}: {programs:?}");
        }
        let text = Value::from(objects.clone()).to_string();
        assert!(!text.contains("--enableReporting=\"") && text.contains("--admissionReports=true"));
        assert!(!text.contains("--enablePolicyException=true"));
    }

    #[test]
    fn exceptions_count_where_they_are_asked_for() {
        let args = |beside: &[&'static str]| {
            let objects = objects(&material(beside)?).unwrap();
            Some(Value::from_iter(of_kind(&objects, "Deployment").into_iter().cloned()).to_string())
        };
        let on = "\"--enablePolicyException=true\"";
        let Some(alone) = args(&["kyverno-exceptions"]) else {
            return;
        };
        assert!(alone.matches(on).count() == 1 && alone.contains("\"--exceptionNamespace=*\""));
        let all = args(&["kyverno-controllers", "kyverno-exceptions-apart"]).unwrap();
        assert!(
            all.matches(on).count() == 3 && !all.contains("=*\""),
            "{all}"
        );
    }

    #[test]
    fn trust_is_served_where_there_is_some() {
        let Some(material) = material(&["sigstore"]) else {
            return;
        };
        let objects = objects(&material).unwrap();
        let deployment = of_kind(&objects, "Deployment")[0].to_string();
        assert!(deployment.contains("--tufRoot=http://tuf.box:3005/root.json"));
        let folder = format!("{}/tuf", HostAccess::INSIDE);
        assert!(deployment.contains(&folder) && !deployment.contains("$(tuf"));
    }
}
