//! What follows from objects that a world made in a namespace that was there before: pods and what
//! makes them, the claims of a StatefulSet, and events. None of it goes with a namespace, and what
//! deletes the object does not wait for it.

use std::collections::BTreeSet;
use std::time::Duration;

use api::percent_encode;
use futures::future::join_all;
use serde_json::Value;

use super::LiveWorld;
use crate::Error;
use crate::discovery::ApiResource;
use crate::started::{owned_collections, owners_of, takes_pods_along};

/// How long the pods of a workload may take to end once it was deleted.
const FOLLOWERS_END_WITHIN: Duration = Duration::from_secs(60);

/// What follows from a world's objects elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct FollowingObjects {
    /// The paths of pods, and of what makes them.
    makers_and_pods: BTreeSet<String>,
    /// The paths of claims, which nothing deletes.
    claims: BTreeSet<String>,
    /// The uids of all of these: events are about them.
    uids: BTreeSet<String>,
}

impl LiveWorld<'_> {
    /// Looks for what follows before an object is deleted elsewhere: afterwards nothing tells whose
    /// the pods are.
    pub(crate) async fn note_followers_of(
        &mut self,
        resource: &ApiResource,
        namespace: &str,
    ) -> Result<(), Error> {
        let is_elsewhere = resource.namespaced && !self.namespaces.has(namespace);
        if is_elsewhere && takes_pods_along(resource) {
            self.note_followers().await?;
        }
        Ok(())
    }

    /// Looks for what follows by now from the objects that the world made elsewhere.
    async fn note_followers(&mut self) -> Result<(), Error> {
        let mut found = self.followers.clone();
        let made = self.namespaces.made_elsewhere();
        found.uids.extend(made.iter().map(uid_of));
        for namespace in self.namespaces_elsewhere() {
            let those_in = |one: &&Value| text(&one["metadata"]["namespace"]) == namespace;
            let makers = made.iter().filter(those_in).filter(|one| makes_others(one));
            let sets: Vec<&Value> = makers.clone().filter(|one| is_set(one)).collect();
            if makers.count() == 0 {
                continue;
            }
            for collection in owned_collections(&namespace) {
                for item in self.items_at(&collection).await? {
                    if is_owned(&item, &found.uids) {
                        found.uids.insert(uid_of(&item));
                        found.makers_and_pods.insert(path_in(&collection, &item));
                    }
                }
            }
            if sets.is_empty() {
                continue;
            }
            let collection = format!(
                "/api/v1/namespaces/{}/persistentvolumeclaims",
                percent_encode(&namespace)
            );
            for claim in self.items_at(&collection).await? {
                if sets.iter().any(|set| is_claim_of(&claim, set)) {
                    found.uids.insert(uid_of(&claim));
                    found.claims.insert(path_in(&collection, &claim));
                }
            }
        }
        self.followers = found;
        Ok(())
    }

    /// Looks for what follows, for the last time: what is wrong, if it cannot be found.
    pub(super) async fn find_followers(&mut self) -> Option<String> {
        let why = self.note_followers().await.err()?;
        Some(format!(
            "what follows from objects elsewhere could not be looked for: {}",
            why.in_one_line()
        ))
    }

    /// Waits for the end of what follows, and deletes what does not end by itself: what is left.
    pub(super) async fn end_followers(&self) -> Vec<String> {
        let within = FOLLOWERS_END_WITHIN;
        let FollowingObjects {
            makers_and_pods,
            claims,
            ..
        } = &self.followers;
        let ends = makers_and_pods
            .iter()
            .map(|path| self.wait_until_gone(path, within));
        let mut left: Vec<String> = join_all(ends).await.into_iter().flatten().collect();
        let kept = self.end_objects(claims.iter()).await;
        left.extend(kept.into_iter().map(|(_, why)| why));
        let gone = claims.iter().map(|path| self.wait_until_gone(path, within));
        left.extend(join_all(gone).await.into_iter().flatten());
        left.extend(self.delete_events().await);
        left
    }

    /// Deletes the events about what was made elsewhere, and about what followed: what is left.
    async fn delete_events(&self) -> Vec<String> {
        let mut left = Vec::new();
        for namespace in self.namespaces_elsewhere() {
            let collection = format!("/api/v1/namespaces/{}/events", percent_encode(&namespace));
            let events = match self.items_at(&collection).await {
                Ok(events) => events,
                Err(why) => {
                    left.push(format!("events in {namespace}: {}", why.in_one_line()));
                    continue;
                }
            };
            let is_ours = |event: &&Value| {
                let about = &event["involvedObject"]["uid"];
                self.followers.uids.contains(text(about))
            };
            let paths: Vec<String> = events
                .iter()
                .filter(is_ours)
                .map(|event| path_in(&collection, event))
                .collect();
            let kept = self.end_objects(paths.iter()).await;
            left.extend(kept.into_iter().map(|(_, why)| why));
        }
        left
    }

    /// The namespaces in which it made something, and that were there before.
    fn namespaces_elsewhere(&self) -> BTreeSet<String> {
        let made = self.namespaces.made_elsewhere().iter();
        made.map(|object| text(&object["metadata"]["namespace"]).to_owned())
            .filter(|namespace| !namespace.is_empty())
            .collect()
    }

    async fn items_at(&self, collection: &str) -> Result<Vec<Value>, Error> {
        let mut list = self.run.own.fetch_body(collection).await?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn uid_of(object: &Value) -> String {
    text(&object["metadata"]["uid"]).to_owned()
}

fn path_in(collection: &str, item: &Value) -> String {
    let name = percent_encode(text(&item["metadata"]["name"]));
    format!("{collection}/{name}")
}

/// Whether controllers make something for an object.
fn makes_others(object: &Value) -> bool {
    takes_pods_along(&ApiResource::guess_resource(
        text(&object["apiVersion"]),
        text(&object["kind"]),
    ))
}

fn is_set(object: &Value) -> bool {
    object["kind"] == "StatefulSet"
}

/// Whether one of these owns an object.
fn is_owned(object: &Value, uids: &BTreeSet<String>) -> bool {
    owners_of(object).any(|owner| uids.contains(text(&owner["uid"])))
}

/// Whether a StatefulSet made this claim for a pod of its: by its name, the labels that it got, and
/// since it is no older (kubernetes `pkg/controller/statefulset/stateful_set_utils.go`).
fn is_claim_of(claim: &Value, set: &Value) -> bool {
    let name = text(&claim["metadata"]["name"]);
    let templates = set["spec"]["volumeClaimTemplates"].as_array();
    let is_named = templates.into_iter().flatten().any(|template| {
        let prefix = format!(
            "{}-{}-",
            text(&template["metadata"]["name"]),
            text(&set["metadata"]["name"])
        );
        name.strip_prefix(&prefix)
            .is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
    });
    let labels = set["spec"]["selector"]["matchLabels"].as_object();
    let is_labelled = labels
        .into_iter()
        .flatten()
        .all(|(key, value)| claim["metadata"]["labels"][key] == *value);
    let made = |object: &Value| text(&object["metadata"]["creationTimestamp"]).to_owned();
    is_named && is_labelled && made(claim) >= made(set)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_told_by_its_name_its_labels_and_its_age() {
        let set = json!({
            "metadata": {"name": "db", "creationTimestamp": "2026-01-01T00:00:05Z"},
            "spec": {
                "selector": {"matchLabels": {"app": "db"}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            },
        });
        let claim = |name: &str, app: &str, made: &str| json!({"metadata": {"name": name, "labels": {"app": app}, "creationTimestamp": made}});
        let (before, after) = ("2026-01-01T00:00:04Z", "2026-01-01T00:00:05Z");
        assert!(is_claim_of(&claim("data-db-0", "db", after), &set));
        for other in [
            claim("data-db-0", "db", before),
            claim("data-db-0", "other", after),
            claim("data-db-x", "db", after),
            claim("logs-db-0", "db", after),
        ] {
            assert!(!is_claim_of(&other, &set), "{other}");
        }
    }

    #[test]
    fn what_is_owned_follows() {
        let uids = BTreeSet::from(["a".to_owned()]);
        let owned = |uid: &str| json!({"metadata": {"ownerReferences": [{"uid": uid}]}});
        assert!(is_owned(&owned("a"), &uids) && !is_owned(&owned("b"), &uids));
        assert!(!is_owned(&json!({}), &uids));
    }
}
