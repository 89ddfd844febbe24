//! Which sentinels a batch of written objects asks for.

use std::collections::BTreeMap;

use addons::WrittenObject;
use cluster::HostAccess;
use futures::future::{LocalBoxFuture, try_join_all};
use futures::{FutureExt, TryFutureExt};
use model::KindBarrier;
use serde_json::Value;

use super::site::SentinelSite;
use super::{
    SentinelObjects, account, definition, limits, network, policy, priority, quota, rbac,
    runtime_class, status, webhook,
};
use crate::Error;
use crate::discovery::ApiResource;
use crate::wait::WaitReporter;

/// An object that was written, or deleted.
#[derive(Clone, Debug)]
pub(crate) struct WriteRecord {
    pub(crate) resource: ApiResource,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// As the server returned it; nothing where it was deleted.
    pub(crate) object: Option<Value>,
}

impl WriteRecord {
    /// Where the object is.
    pub(crate) fn path(&self) -> String {
        self.resource.object_path(&self.namespace, &self.name)
    }

    fn written_object(&self) -> WrittenObject<'_> {
        WrittenObject {
            group: &self.resource.group,
            kind: &self.resource.kind,
            namespace: &self.namespace,
            name: &self.name,
            path: self.path(),
            object: self.object.as_ref(),
        }
    }
}

/// Waits until everything in `records` is in force. `history` has every earlier record of the world,
/// for parameters; `host_access` is the way to a box's own enforcers of NetworkPolicy.
///
/// # Errors
/// When a sentinel cannot be made, or shows no effect in time.
pub(crate) async fn wait_in_force(
    sentinels: &SentinelObjects,
    host_access: Option<HostAccess<'_>>,
    waiter: &WaitReporter,
    records: &[WriteRecord],
    history: &[WriteRecord],
) -> Result<(), Error> {
    let site = SentinelSite { sentinels, waiter };
    let written: Vec<WrittenObject<'_>> = records.iter().map(WriteRecord::written_object).collect();
    let earlier: Vec<WrittenObject<'_>> = history.iter().map(WriteRecord::written_object).collect();
    let mut works = plan_waits(sentinels, waiter, records, history)?;
    let mut of_addons = addons::addon_waits(&site, &written, &earlier);
    if records
        .iter()
        .any(|record| record.resource.kind == "Namespace")
    {
        of_addons.extend(addons::label_waits(&site, &earlier));
    }
    works.extend(
        of_addons
            .into_iter()
            .map(|work| work.map_err(Error::from).boxed_local()),
    );
    if let Some(host_access) = host_access {
        works.extend(network::network_waits(
            sentinels,
            host_access,
            waiter,
            records,
        )?);
    }
    if works.is_empty() {
        return Ok(());
    }
    sentinels.make_namespace().await?;
    try_join_all(works).await.map(drop)
}

/// One wait.
pub(super) type BarrierWork<'a> = LocalBoxFuture<'a, Result<(), Error>>;

fn plan_waits<'a>(
    sentinels: &'a SentinelObjects,
    waiter: &'a WaitReporter,
    records: &'a [WriteRecord],
    history: &'a [WriteRecord],
) -> Result<Vec<BarrierWork<'a>>, Error> {
    let all: Vec<&WriteRecord> = history.iter().chain(records).collect();
    let mut by_barrier: BTreeMap<KindBarrier, Vec<&'a WriteRecord>> = BTreeMap::new();
    for record in records {
        let barrier = object_barrier(record, &all)?;
        by_barrier.entry(barrier).or_default().push(record);
    }
    let last = |kind: &str| {
        records
            .iter()
            .rev()
            .find(|record| record.resource.kind == kind)
    };
    let mut works: Vec<BarrierWork<'a>> = Vec::new();
    for (barrier, concerned) in by_barrier {
        match barrier {
            // Parameters of a policy can be of any kind, so they are looked for below, whatever was
            // written.
            KindBarrier::AdmissionPolicies => {}
            // The enforcers are those of a box: `network::is_enforced`.
            KindBarrier::NetworkTables | KindBarrier::Stored => {}
            KindBarrier::Roles => works.push(rbac::wait_for_roles(sentinels, waiter).boxed_local()),
            KindBarrier::ClusterRoles => {
                let written = last("ClusterRole").is_some();
                works.push(rbac::wait_for_cluster_roles(sentinels, waiter, written).boxed_local());
            }
            KindBarrier::ValidatingWebhooks | KindBarrier::MutatingWebhooks => {
                let kind = if barrier == KindBarrier::MutatingWebhooks {
                    webhook::MUTATING_WEBHOOK
                } else {
                    webhook::VALIDATING_WEBHOOK
                };
                let object = last(kind.kind).and_then(|record| record.object.as_ref());
                works
                    .push(webhook::wait_for_webhook(sentinels, waiter, kind, object).boxed_local());
            }
            KindBarrier::NamespaceLabels => {
                works.push(webhook::namespace_labels(sentinels, waiter).boxed_local());
            }
            KindBarrier::LimitRanges => {
                works.push(limits::limit_ranges(sentinels, waiter).boxed_local())
            }
            KindBarrier::PriorityClasses => {
                works.push(priority::priority_classes(sentinels, waiter).boxed_local())
            }
            KindBarrier::OwnStatus => {
                works.extend(concerned.into_iter().map(|record| {
                    status::own_status(sentinels.own(), waiter, record).boxed_local()
                }));
            }
            // A deletion of what one counts concerns it, too: `quota::quota_wait`, below.
            KindBarrier::Quotas => {}
            KindBarrier::RuntimeClasses => works.extend(concerned.into_iter().map(|record| {
                runtime_class::class_look(sentinels, record)
                    .wait_until_known(sentinels.own(), waiter, record)
                    .boxed_local()
            })),
            KindBarrier::ServiceAccounts => {
                let touched = account::touched_accounts(concerned, &all);
                works.extend(touched.map(|record| {
                    account::account_look(record)
                        .wait_until_known(sentinels.own(), waiter, record)
                        .boxed_local()
                }));
            }
            // An addon's settings count, too, and are of any kind: `addons::waits`.
            KindBarrier::Addon(_) => {}
        }
    }
    if records.iter().any(definition::is_changed_definition) {
        works.push(definition::wait_for_definitions(sentinels, waiter).boxed_local());
    }
    works.extend(quota::quota_wait(sentinels, waiter, records, history));
    for control in policy::concerned_kinds(records, history) {
        works.push(policy::sentinel_policy(sentinels, waiter, control).boxed_local());
    }
    Ok(works)
}

/// Whether an object of this kind is put in force by itself, after everything before it and before
/// what follows.
pub(crate) fn acts_at_once(resource: &ApiResource) -> bool {
    model::one_by_one(&resource.group)
}

/// What shows that this object is in force. What the world defined itself controls nothing.
fn object_barrier(record: &WriteRecord, all: &[&WriteRecord]) -> Result<KindBarrier, Error> {
    let ApiResource { group, kind, .. } = &record.resource;
    if let Some(known) = model::object_kind(&record.resource.api_version(), kind) {
        return Ok(known.barrier);
    }
    let definitions = all
        .iter()
        .filter(|one| one.resource.kind == "CustomResourceDefinition");
    let mut definitions = definitions.filter_map(|one| one.object.as_ref());
    let is_own = definitions
        .any(|one| one["spec"]["group"] == **group && one["spec"]["names"]["kind"] == **kind);
    let unknown = || {
        Error::scenario(format!(
            "nothing is known that shows when a {kind} is in force"
        ))
    };
    is_own.then_some(KindBarrier::Stored).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use api::ApiCaller;
    use model::object_kinds;
    use serde_json::json;

    use super::*;
    use crate::secret_markers::SecretMarkers;
    use crate::world::testing::script::ApiServer;

    fn record(group: &str, kind: &str) -> WriteRecord {
        let version = if group.is_empty() {
            "v1".into()
        } else {
            format!("{group}/v1")
        };
        WriteRecord {
            resource: ApiResource::guess_resource(&version, kind),
            namespace: "n".into(),
            name: "x".into(),
            object: None,
        }
    }

    /// A barrier that finds nothing to wait for would take a control for in force at once.
    #[tokio::test]
    async fn every_kind_has_something_to_wait_for() {
        let (server, folder) = (
            ApiServer::start(Vec::new()).await,
            tempfile::tempdir().unwrap(),
        );
        let cluster = server.cluster(folder.path()).await;
        let own = ApiCaller::new(cluster.admin_client().clone(), "test");
        let sentinels = SentinelObjects::new(own);
        let (events, _told) = tokio::sync::mpsc::unbounded_channel();
        let waiter = WaitReporter {
            id: String::new(),
            world: String::new(),
            events,
            planted: SecretMarkers::default(),
            granted: None,
        };
        for one in object_kinds() {
            let records = [record(one.group, one.kind)];
            assert_eq!(object_barrier(&records[0], &[]).unwrap(), one.barrier);
            let waits = plan_waits(&sentinels, &waiter, &records, &[]).unwrap();
            let has_wait = match one.barrier {
                // `addons` has the same test of its own.
                KindBarrier::Addon(_) => continue,
                KindBarrier::Stored => waits.is_empty(),
                KindBarrier::NetworkTables => network::is_enforced(&records[0]),
                KindBarrier::Roles
                | KindBarrier::ClusterRoles
                | KindBarrier::AdmissionPolicies
                | KindBarrier::ValidatingWebhooks
                | KindBarrier::MutatingWebhooks
                | KindBarrier::NamespaceLabels
                | KindBarrier::LimitRanges
                | KindBarrier::PriorityClasses
                | KindBarrier::Quotas
                | KindBarrier::RuntimeClasses
                | KindBarrier::ServiceAccounts => waits.len() == 1,
                // Its wait ends at once for a kind without a test of its status.
                KindBarrier::OwnStatus => {
                    waits.len() == 1 && status::status_test(one.kind).is_some()
                }
            };
            assert!(has_wait, "{} {}: {}", one.group, one.kind, waits.len());
        }
    }

    /// What counts as soon as it is stored controls nothing by itself. Whoever adds a kind here says
    /// that of it.
    #[test]
    fn only_these_count_as_soon_as_they_are_stored() {
        let stored: Vec<String> = object_kinds()
            .filter(|one| one.barrier == KindBarrier::Stored)
            .filter(|one| one.isolation != model::KindIsolation::Question)
            .map(|one| one.kind.to_owned())
            .collect();
        let known = "ConfigMap Endpoints Event PersistentVolumeClaim ReplicationController Secret Service \
            Node PersistentVolume ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet \
            HorizontalPodAutoscaler CronJob Job Lease EndpointSlice Ingress CertificateSigningRequest";
        assert_eq!(stored, known.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn what_nobody_knows_is_no_control_in_force() {
        let widget = record("shop.example", "Widget");
        assert!(object_barrier(&widget, &[]).is_err());
        let definition = json!({"spec": {"group": "shop.example", "names": {"kind": "Widget"}}});
        let made = WriteRecord {
            object: Some(definition),
            ..record("apiextensions.k8s.io", "CustomResourceDefinition")
        };
        assert_eq!(
            object_barrier(&widget, &[&made]).unwrap(),
            KindBarrier::Stored
        );
        assert!(object_barrier(&record("shop.example", "Gadget"), &[&made]).is_err());
    }
}
