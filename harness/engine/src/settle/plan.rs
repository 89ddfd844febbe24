//! Which sentinels a batch of written objects asks for.

use std::collections::BTreeSet;

use addons::WrittenObject;
use cluster::HostAccess;
use futures::future::{LocalBoxFuture, try_join_all};
use futures::{FutureExt, TryFutureExt};
use model::Barrier;
use serde_json::Value;

use super::site::SentinelSite;
use super::{Sentinels, limits, network, policy, priority, rbac, status, webhook};
use crate::Error;
use crate::discovery::Resource;
use crate::wait::Waiter;

/// An object that was written, or deleted.
#[derive(Clone, Debug)]
pub(crate) struct WriteRecord {
    pub(crate) resource: Resource,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// As the server returned it; nothing where it was deleted.
    pub(crate) object: Option<Value>,
}

impl WriteRecord {
    /// Where the object is.
    pub(crate) fn path(&self) -> String {
        self.resource.object(&self.namespace, &self.name)
    }

    fn written(&self) -> WrittenObject<'_> {
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

/// Waits until everything in `touches` is in force. `history` has every earlier touch of the world, for parameters;
/// `host_access` is the way to a box's own enforcers of NetworkPolicy.
///
/// # Errors
/// When a sentinel cannot be made, or shows no effect in time.
pub(crate) async fn settle(
    sentinels: &Sentinels,
    host_access: Option<HostAccess<'_>>,
    waiter: &Waiter,
    touches: &[WriteRecord],
    history: &[WriteRecord],
) -> Result<(), Error> {
    let site = SentinelSite { sentinels, waiter };
    let written: Vec<WrittenObject<'_>> = touches.iter().map(WriteRecord::written).collect();
    let earlier: Vec<WrittenObject<'_>> = history.iter().map(WriteRecord::written).collect();
    let mut works = plan(sentinels, waiter, touches, history)?;
    let mut of_addons = addons::waits(&site, &written, &earlier);
    if touches
        .iter()
        .any(|touch| touch.resource.kind == "Namespace")
    {
        of_addons.extend(addons::label_waits(&site, &earlier));
    }
    works.extend(
        of_addons
            .into_iter()
            .map(|work| work.map_err(Error::from).boxed_local()),
    );
    if let Some(host_access) = host_access {
        works.extend(network::touched(sentinels, host_access, waiter, touches)?);
    }
    if works.is_empty() {
        return Ok(());
    }
    sentinels.home().await?;
    try_join_all(works).await.map(drop)
}

/// One wait.
pub(super) type Work<'a> = LocalBoxFuture<'a, Result<(), Error>>;

fn plan<'a>(
    sentinels: &'a Sentinels,
    waiter: &'a Waiter,
    touches: &'a [WriteRecord],
    history: &'a [WriteRecord],
) -> Result<Vec<Work<'a>>, Error> {
    let all: Vec<&WriteRecord> = history.iter().chain(touches).collect();
    let barriers = touches
        .iter()
        .map(|touch| barrier(touch, &all))
        .collect::<Result<BTreeSet<Barrier>, Error>>()?;
    let last = |kind: &str| {
        touches
            .iter()
            .rev()
            .find(|touch| touch.resource.kind == kind)
    };
    let mut works: Vec<Work<'a>> = Vec::new();
    for barrier in barriers {
        match barrier {
            // Parameters of a policy can be of any kind, so they are looked for below, whatever was written.
            Barrier::AdmissionPolicies => {}
            // The enforcers are those of a box: `network::touched`.
            Barrier::NetworkTables | Barrier::Stored => {}
            Barrier::Roles => works.push(rbac::roles(sentinels, waiter).boxed_local()),
            Barrier::ClusterRoles => {
                // A role that is part of another says so, if at all, by labels that it may have lost.
                let aggregated = touches.iter().chain(history).any(rbac::is_aggregation);
                works.push(rbac::cluster_roles(sentinels, waiter, aggregated).boxed_local());
            }
            Barrier::ValidatingWebhooks | Barrier::MutatingWebhooks => {
                let kind = if barrier == Barrier::MutatingWebhooks {
                    webhook::MUTATING
                } else {
                    webhook::VALIDATING
                };
                let object = last(kind.kind).and_then(|touch| touch.object.as_ref());
                works.push(webhook::webhook(sentinels, waiter, kind, object).boxed_local());
            }
            Barrier::NamespaceLabels => {
                works.push(webhook::namespace_labels(sentinels, waiter).boxed_local());
            }
            Barrier::LimitRanges => {
                works.push(limits::limit_ranges(sentinels, waiter).boxed_local())
            }
            Barrier::PriorityClasses => {
                works.push(priority::priority_classes(sentinels, waiter).boxed_local())
            }
            Barrier::OwnStatus => {
                for touch in touches.iter().filter(|touch| touch.object.is_some()) {
                    if let Some(done) = status::test(&touch.resource.kind) {
                        works.push(status::own(sentinels.own(), waiter, touch, done).boxed_local());
                    }
                }
            }
            // An addon's settings count, too, and are of any kind: `addons::waits`.
            Barrier::Addon(_) => {}
        }
    }
    for control in policy::concerned(touches, history) {
        works.push(policy::policy(sentinels, waiter, control).boxed_local());
    }
    Ok(works)
}

/// Whether an object of this kind is put in force by itself, after everything before it and before what follows.
pub(crate) fn acts_at_once(resource: &Resource) -> bool {
    model::one_by_one(&resource.group)
}

/// What shows that this object is in force. What the world defined itself controls nothing.
fn barrier(touch: &WriteRecord, all: &[&WriteRecord]) -> Result<Barrier, Error> {
    let Resource { group, kind, .. } = &touch.resource;
    if let Some(known) = model::object_kind(&touch.resource.api_version(), kind) {
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
    is_own.then_some(Barrier::Stored).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use model::object_kinds;
    use serde_json::json;

    use super::*;

    fn touch(group: &str, kind: &str) -> WriteRecord {
        let version = if group.is_empty() {
            "v1".into()
        } else {
            format!("{group}/v1")
        };
        WriteRecord {
            resource: Resource::guess(&version, kind),
            namespace: "n".into(),
            name: "x".into(),
            object: None,
        }
    }

    /// A barrier that finds nothing to wait for would take a control for in force at once.
    #[test]
    fn every_kind_has_something_to_wait_for() {
        for one in object_kinds() {
            let touches = [touch(one.group, one.kind)];
            assert_eq!(barrier(&touches[0], &[]).unwrap(), one.barrier);
            let waits = match one.barrier {
                // `addons` has the same test of its own.
                Barrier::Addon(_) => continue,
                Barrier::AdmissionPolicies => policy::concerned(&touches, &[]).len(),
                Barrier::OwnStatus => usize::from(status::test(one.kind).is_some()),
                Barrier::NetworkTables => usize::from(network::is_enforced(&touches[0])),
                Barrier::Stored
                | Barrier::Roles
                | Barrier::ClusterRoles
                | Barrier::ValidatingWebhooks
                | Barrier::MutatingWebhooks
                | Barrier::NamespaceLabels
                | Barrier::LimitRanges
                | Barrier::PriorityClasses => 1,
            };
            assert_eq!(waits, 1, "{} {}", one.group, one.kind);
        }
    }

    #[test]
    fn what_nobody_knows_is_no_control_in_force() {
        let widget = touch("shop.example", "Widget");
        assert!(barrier(&widget, &[]).is_err());
        let definition = json!({"spec": {"group": "shop.example", "names": {"kind": "Widget"}}});
        let made = WriteRecord {
            object: Some(definition),
            ..touch("apiextensions.k8s.io", "CustomResourceDefinition")
        };
        assert_eq!(barrier(&widget, &[&made]).unwrap(), Barrier::Stored);
        assert!(barrier(&touch("shop.example", "Gadget"), &[&made]).is_err());
    }
}
