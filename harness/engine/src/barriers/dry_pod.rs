//! Objects that a pod names, and that the API server's admission has a copy of: it asks for one only
//! where it has none, so a new one is known at once, and one that was just changed or deleted is not.
//! A sentinel cannot show it, since a sentinel's object is asked for, too. So a dry run of a pod that
//! names the object itself is looked at.

use api::{ApiCall, ApiCaller, reply_json, was_taken};
use serde_json::Value;

use super::plan::WriteRecord;
use super::sentinels::in_force_wait;
use crate::Error;
use crate::discovery::find_object;
use crate::wait::{WaitLook, WaitReporter};

/// A pod that names an object.
pub(super) struct DryPod {
    /// The path of the collection that it would be made in.
    pub(super) pods: String,
    /// The pod.
    pub(super) pod: Value,
    /// Whether the pod, as it came back, is what the object asks for.
    pub(super) is_given: fn(object: &Value, pod: &Value) -> bool,
}

impl DryPod {
    /// Waits until the pod is treated as the written object says by now.
    ///
    /// # Errors
    /// When it is treated otherwise for too long.
    pub(super) async fn wait_until_known(
        self,
        own: &ApiCaller,
        waiter: &WaitReporter,
        record: &WriteRecord,
    ) -> Result<(), Error> {
        let what = format!(
            "the {} {} to be known as it is",
            record.resource.kind, record.name
        );
        let wait = in_force_wait(&what);
        waiter
            .wait_until(wait, async || {
                let stored =
                    find_object(own, &record.resource, &record.namespace, &record.name).await;
                let object = match stored {
                    Ok(object) => object,
                    Err(said) => return WaitLook::from(said),
                };
                let call = ApiCall::post(self.pods.as_str(), self.pod.clone()).dry_run(true);
                let reply = own.send_call(call).await.reply;
                // Whoever else refuses a pod refuses the next one, too.
                let Some(pod) = reply_json(&reply).filter(|_| was_taken(&reply)) else {
                    return WaitLook::Ready(());
                };
                match object {
                    Some(object) if (self.is_given)(&object, pod) => WaitLook::Ready(()),
                    Some(_) => WaitLook::NotYet("a pod still gets what it said before".into()),
                    None => WaitLook::NotYet("a pod may still name it".into()),
                }
            })
            .await
    }
}
