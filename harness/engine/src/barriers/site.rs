//! What the barriers of addons work with here: the sentinels' namespace, their names, and the
//! world's waits.

use addons::{AddonFuture, BarrierSite, SiteLook};
use api::ApiCall;
use futures::future::LocalBoxFuture;
use futures::{FutureExt, TryFutureExt};
use model::ApiReply;

use super::sentinels::SentinelObjects;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// The sentinels, and the waiter for them.
pub(super) struct SentinelSite<'a> {
    pub(super) sentinels: &'a SentinelObjects,
    pub(super) waiter: &'a WaitReporter,
}

impl BarrierSite for SentinelSite<'_> {
    fn namespace(&self) -> &str {
        self.sentinels.namespace()
    }

    fn sentinel_name(&self) -> String {
        self.sentinels.fresh_name()
    }

    fn send_as_admin(&self, call: ApiCall) -> LocalBoxFuture<'_, ApiReply> {
        async { self.sentinels.own().send_call(call).await.reply }.boxed_local()
    }

    fn remove_objects(&self, paths: Vec<String>) {
        self.sentinels.remove_parts(paths);
    }

    fn wait_until<'a>(&'a self, wait: ConditionWait<'a>, look: SiteLook<'a>) -> AddonFuture<'a> {
        let once = async || look().await.unwrap_or_else(WaitLook::from);
        self.waiter
            .until_late(wait, once)
            .map_err(addons::Error::from)
            .boxed_local()
    }
}
