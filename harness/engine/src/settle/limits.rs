//! A sentinel for LimitRanges: what the API server sets where a pod states nothing.
//!
//! Where the API server's watch has brought no LimitRange of a namespace yet, it asks for them, and keeps the answer for
//! half a minute (kubernetes, `plugin/pkg/admission/limitranger`). So it is a *changed* default that shows how far the watch
//! has come: the first value may be the answer to such a question, the second is not, since that was kept.

use std::time::Duration;

use api::{Call, MERGE, json as json_of, said, taken};
use serde_json::{Value, json};

use super::sentinels::{PATIENCE, Sentinels};
use crate::Error;
use crate::wait::{Look, Wait, Waiter};

/// Waits until the API server goes by every LimitRange that was written before.
pub(super) async fn limit_ranges(sentinels: &Sentinels, waiter: &Waiter) -> Result<(), Error> {
    let name = sentinels.name();
    // A resource of its own: sentinels of several worlds are in one namespace, and each sets only this.
    let resource = format!("gauntlet.dev/{name}");
    let collection = format!("/api/v1/namespaces/{}/limitranges", sentinels.namespace());
    let path = format!("{collection}/{name}");
    sentinels
        .make(&collection, range(&name, &resource, "1"))
        .await?;
    is_set(sentinels, waiter, &name, &resource, "1").await?;
    let changed = sentinels
        .own()
        .send(Call::patch(
            path.as_str(),
            MERGE,
            range(&name, &resource, "2"),
        ))
        .await
        .reply;
    if !taken(&changed) {
        return Err(Error::refused(
            "a sentinel LimitRange could not be changed",
            &changed,
        ));
    }
    let shown = is_set(sentinels, waiter, &name, &resource, "2").await;
    sentinels.remove(vec![path]);
    shown
}

fn range(name: &str, resource: &str, default: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name},
        "spec": {"limits": [{"type": "Container", "default": {resource: default}}]},
    })
}

/// Waits until a pod that states nothing gets this default.
async fn is_set(
    sentinels: &Sentinels,
    waiter: &Waiter,
    name: &str,
    resource: &str,
    wanted: &str,
) -> Result<(), Error> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "none"}]},
    });
    let path = format!("/api/v1/namespaces/{}/pods", sentinels.namespace());
    let wait = Wait {
        what: "limit ranges to be in force",
        within: PATIENCE,
        every: Duration::from_millis(20),
    };
    waiter
        .until(wait, async || {
            let reply = sentinels
                .own()
                .send(Call::post(path.as_str(), pod.clone()).dry(true))
                .await
                .reply;
            match json_of(&reply).filter(|_| taken(&reply)) {
                Some(pod) => match &pod["spec"]["containers"][0]["resources"]["limits"][resource] {
                    set if set == wanted => Look::Ready(()),
                    set => Look::NotYet(format!("the default of a sentinel is {set}")),
                },
                None => Look::NotYet(said(&reply)),
            }
        })
        .await
}
