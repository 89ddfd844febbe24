//! What the barriers of addons work with here: the sentinels' namespace, their names, and the world's waits.

use addons::{BarrierSite, SiteLook, Work};
use api::Call;
use futures::future::LocalBoxFuture;
use futures::{FutureExt, TryFutureExt};
use model::Reply;

use super::sentinels::Sentinels;
use crate::wait::{Look, Wait, Waiter};

/// The sentinels, and who waits for them.
pub(super) struct SentinelSite<'a> {
    pub(super) sentinels: &'a Sentinels,
    pub(super) waiter: &'a Waiter,
}

impl BarrierSite for SentinelSite<'_> {
    fn namespace(&self) -> &str {
        self.sentinels.namespace()
    }

    fn sentinel_name(&self) -> String {
        self.sentinels.name()
    }

    fn send(&self, call: Call) -> LocalBoxFuture<'_, Reply> {
        async { self.sentinels.own().send(call).await.reply }.boxed_local()
    }

    fn remove(&self, paths: Vec<String>) {
        self.sentinels.remove(paths);
    }

    fn wait<'a>(&'a self, wait: Wait<'a>, look: SiteLook<'a>) -> Work<'a> {
        let once = async || look().await.unwrap_or_else(Look::from);
        self.waiter
            .until_late(wait, once)
            .map_err(addons::Error::from)
            .boxed_local()
    }
}
