//! Which canaries a batch of written objects asks for.

use cluster::Toolbox;
use futures::FutureExt;
use futures::future::{LocalBoxFuture, try_join_all};
use serde_json::Value;

use super::{Canaries, external_secrets, kyverno, network, policy, policy_controller, rbac, status, webhook};
use crate::discovery::Resource;
use crate::wait::Waiter;

/// An object that was written, or deleted.
#[derive(Clone, Debug)]
pub(crate) struct Touch {
    pub(crate) resource: Resource,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// As the server returned it; nothing where it was deleted.
    pub(crate) object: Option<Value>,
}

impl Touch {
    /// Where the object is.
    pub(crate) fn path(&self) -> String {
        self.resource.object(&self.namespace, &self.name)
    }
}

/// Waits until everything in `touches` is in force. `history` has every earlier touch of the world, for parameters;
/// `toolbox` is the way to a box's own enforcers of NetworkPolicy.
///
/// # Errors
/// When a canary cannot be made, or shows no effect in time.
pub(crate) async fn settle(
    canaries: &Canaries,
    toolbox: Option<Toolbox<'_>>,
    waiter: &Waiter,
    touches: &[Touch],
    history: &[Touch],
) -> Result<(), String> {
    let mut works = plan(canaries, waiter, touches, history);
    if let Some(toolbox) = toolbox {
        works.extend(network::touched(canaries, toolbox, waiter, touches)?);
    }
    if works.is_empty() {
        return Ok(());
    }
    canaries.home().await?;
    try_join_all(works).await.map(drop)
}

/// One wait.
pub(super) type Work<'a> = LocalBoxFuture<'a, Result<(), String>>;

fn plan<'a>(canaries: &'a Canaries, waiter: &'a Waiter, touches: &'a [Touch], history: &'a [Touch]) -> Vec<Work<'a>> {
    let last = |kinds: &[&str]| touches.iter().rev().find(|touch| kinds.contains(&touch.resource.kind.as_str()));
    let mut works: Vec<Work<'a>> = Vec::new();
    if last(&["Role", "RoleBinding"]).is_some() {
        works.push(rbac::roles(canaries, waiter).boxed_local());
    }
    if last(&["ClusterRole", "ClusterRoleBinding"]).is_some() {
        // A role that is part of another says so, if at all, by labels that it may have lost.
        let aggregated = touches.iter().chain(history).any(rbac::is_aggregation);
        works.push(rbac::cluster_roles(canaries, waiter, aggregated).boxed_local());
    }
    for control in policy::concerned(touches, history) {
        works.push(policy::policy(canaries, waiter, control).boxed_local());
    }
    for kind in [webhook::VALIDATING, webhook::MUTATING] {
        if let Some(touch) = last(&[kind.kind]) {
            works.push(webhook::webhook(canaries, waiter, kind, touch.object.as_ref()).boxed_local());
        }
    }
    if last(&["Namespace"]).is_some() {
        works.push(webhook::namespace_labels(canaries, waiter).boxed_local());
        if kyverno::reads_labels(history) {
            works.push(kyverno::namespace_labels(canaries, waiter).boxed_local());
        }
    }
    for kind in kyverno::concerned(touches) {
        works.push(kyverno::policies(canaries, waiter, kind, touches).boxed_local());
    }
    for kind in external_secrets::concerned(touches) {
        works.push(external_secrets::objects(canaries, waiter, kind, touches, history).boxed_local());
    }
    let images = policy_controller::concerned(touches);
    if !images.is_empty() {
        works.push(policy_controller::policies(canaries, waiter, images).boxed_local());
    }
    for touch in touches.iter().filter(|touch| touch.object.is_some()) {
        if let Some(done) = status::test(&touch.resource.kind) {
            works.push(status::own(canaries.own(), waiter, touch, done).boxed_local());
        }
    }
    works
}
