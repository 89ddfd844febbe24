//! What the barriers of addons work with here: the sentinels' namespace, their names, and the world's waits.

use addons::{BarrierSite, SiteRequest, Work};
use futures::future::LocalBoxFuture;
use futures::{FutureExt, TryFutureExt};
use model::Reply;

use super::sentinels::Sentinels;
use crate::request::{Call, MERGE};
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

    fn send(&self, request: SiteRequest) -> LocalBoxFuture<'_, Reply> {
        let call = match request {
            SiteRequest::Get(path) => Call::get(path),
            SiteRequest::Create {
                path,
                body,
                dry_run,
            } => Call::post(path, body).dry(dry_run),
            SiteRequest::Merge { path, body } => Call::patch(path, MERGE, body),
        };
        async { self.sentinels.own().send(call).await.reply }.boxed_local()
    }

    fn remove(&self, paths: Vec<String>) {
        self.sentinels.remove(paths);
    }

    fn wait<'a>(
        &'a self,
        wait: Wait<'a>,
        look: &'a mut (dyn FnMut() -> Work<'a> + 'a),
    ) -> Work<'a> {
        let once = async || match look().await {
            Ok(()) => Look::Ready(()),
            Err(seen) => Look::NotYet(seen),
        };
        self.waiter
            .until(wait, once)
            .map_err(|why| why.in_one_line())
            .boxed_local()
    }
}
