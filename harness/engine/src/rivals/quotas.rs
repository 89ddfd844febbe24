//! Which quotas of a namespace a request exceeds. The API server names the first that it meets, goes
//! through them in the order of a map, which is another one each time, and has no counter of their
//! refusals (kubernetes 1.36, apiserver `pkg/admission/plugin/resourcequota/controller.go`,
//! `CheckRequest`; client-go `tools/cache/thread_safe_store.go`, `ByIndex`). So a refused request is
//! sent again and again, until every one of them would have been named.

use std::collections::BTreeSet;

use api::ApiCall;
use model::{Answer, Refuser, ReplyContext, StepIdentity, Verdict};

use crate::Error;
use crate::world::LiveWorld;

/// Go begins with any of the eight places of a small map, so that each of its entries comes first in
/// one of eight looks or more: one is missed by all of these in one of 600,000 cases.
const QUOTA_LOOKS: usize = 100;

/// A map of more is no small one to Go, and nothing is known of its order.
const MOST_QUOTAS: usize = 8;

impl LiveWorld<'_> {
    /// The quotas that refuse a request, the one among them that was named when it was refused; that
    /// one alone where its namespace does not have several.
    ///
    /// # Errors
    /// When the quotas cannot be read or are too many, or the request is answered otherwise meanwhile.
    pub(super) async fn name_quotas(
        &mut self,
        named_first: &str,
        identity: Option<&StepIdentity>,
        call: &ApiCall,
    ) -> Result<BTreeSet<String>, Error> {
        let mut named = BTreeSet::from([named_first.to_owned()]);
        let Some(namespace) = namespace_in(&call.path) else {
            return Ok(named);
        };
        let path = format!("/api/v1/namespaces/{namespace}/resourcequotas");
        let quotas = self.run.own.fetch_body(path).await?;
        let Some(all) = quotas["items"].as_array() else {
            return Err(Error::unexpected(
                "the quotas of a namespace are no list".to_owned(),
            ));
        };
        if all.len() > MOST_QUOTAS {
            let fault = format!(
                "{} quotas in one namespace: {MOST_QUOTAS} can be told apart",
                all.len()
            );
            return Err(Error::scenario(fault));
        }
        if all.len() < 2 {
            return Ok(named);
        }
        let who = self.requester_for(identity).await?;
        for _ in 0..QUOTA_LOOKS {
            let reply = who.send_call(call.clone()).await.reply;
            match model::read_reply(ReplyContext::Change, &reply) {
                Verdict::Answered(Answer::Denied {
                    by: Refuser::Quota(name),
                }) => named.insert(name),
                other => {
                    let fault =
                        format!("a request that a quota refused is asked again, and is {other}");
                    return Err(Error::unexpected(fault));
                }
            };
        }
        Ok(named)
    }
}

/// The namespace that a request is for.
fn namespace_in(path: &str) -> Option<&str> {
    let (_, behind) = path.split_once("/namespaces/")?;
    behind.split(['/', '?']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_for_the_namespace_in_its_path() {
        for (path, namespace) in [
            ("/api/v1/namespaces/a/pods?dryRun=All", Some("a")),
            ("/apis/apps/v1/namespaces/b/deployments/web", Some("b")),
            ("/api/v1/nodes/node-1", None),
        ] {
            assert_eq!(namespace_in(path), namespace, "{path}");
        }
    }
}
