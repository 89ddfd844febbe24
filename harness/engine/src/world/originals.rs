//! Objects that were there before a world changed them, and how they come to be as they were.

use std::time::Duration;

use indexmap::IndexMap;
use indexmap::map::Entry;
use serde_json::{Map, Value};

use super::LiveWorld;
use crate::Error;
use crate::barriers::{WriteRecord, wait_in_force};
use crate::discovery::ApiResource;
use crate::pods::PodState;
use crate::started::makes_pods;
use crate::wait::{ConditionWait, WaitLook};
use api::{ApiCall, reply_json, reply_message, status_code, was_taken};

/// How long a workload may take to be ready again.
const READY_AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// An object as it was.
#[derive(Debug)]
struct OriginalObject {
    resource: ApiResource,
    namespace: String,
    name: String,
    object: Value,
}

/// What a world changes that it has not made, each as it was before the first change.
#[derive(Debug, Default)]
pub(crate) struct OriginalObjects {
    by_path: IndexMap<String, OriginalObject>,
    /// What may have been there, and could not be read.
    unread: Vec<String>,
}

/// What came of putting everything back.
#[derive(Debug, Default)]
pub(crate) struct PutBack {
    /// What is not as it was, each with the reason.
    pub(crate) left: Vec<String>,
    /// Whether an object had to be made once more: what hung on it (its uid, its pods, its tokens)
    /// is not as it was.
    pub(crate) is_remade: bool,
}

impl LiveWorld<'_> {
    /// Remembers an object that is about to be changed, where the world has not made it and does
    /// not take it along.
    pub(crate) async fn remember_original(
        &mut self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
    ) {
        let is_own = if resource.kind == "Namespace" {
            self.namespaces.has(name)
        } else {
            resource.namespaced && self.namespaces.has(namespace)
        };
        let path = resource.object_path(namespace, name);
        let is_known = self.originals.by_path.contains_key(&path);
        if is_own || is_known || name.is_empty() || self.namespaces.made_objects().contains(&path) {
            return;
        }
        let reply = self
            .run
            .own
            .send_call(ApiCall::get(path.as_str()))
            .await
            .reply;
        match (status_code(&reply), reply_json(&reply)) {
            (Some(200), Some(object)) => {
                if let Entry::Vacant(place) = self.originals.by_path.entry(path) {
                    place.insert(OriginalObject {
                        resource: resource.clone(),
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                        object: object.clone(),
                    });
                }
            }
            // It is not there, or nothing of its kind can be.
            (Some(404 | 405), _) => {}
            _ => self.originals.unread.push(format!(
                "{path} may not be as it was: it could not be read before a change: {}",
                reply_message(&reply)
            )),
        }
    }

    /// Puts back what the world changed of the addons themselves, and waits until they run: what
    /// they act on is only forgotten while they are there. What is refused is left for later, when
    /// the world's own controls are forgotten.
    pub(super) async fn put_addons_back(&mut self) -> PutBack {
        let homes: Vec<&str> = self.case.addon_namespaces().collect();
        let all = std::mem::take(&mut self.originals.by_path).into_iter();
        let (of_addons, others): (Vec<_>, Vec<_>) =
            all.partition(|(_, original)| homes.contains(&original.namespace.as_str()));
        self.originals.by_path = others.into_iter().collect();
        let mut put_back = PutBack::default();
        let refused = self.put_all_back(of_addons, &mut put_back).await;
        let refused = refused.into_iter().map(|(refused, _)| refused);
        self.originals.by_path.extend(refused);
        put_back
    }

    /// Puts back what else the world changed, and waits until that is in force.
    pub(super) async fn put_originals_back(&mut self) -> PutBack {
        let originals = std::mem::take(&mut self.originals.by_path);
        let mut put_back = PutBack {
            left: std::mem::take(&mut self.originals.unread),
            is_remade: false,
        };
        let originals = originals.into_iter().collect();
        for ((path, _), why) in self.put_all_back(originals, &mut put_back).await {
            put_back
                .left
                .push(format!("{path} is not as it was: {}", why.in_one_line()));
        }
        put_back
    }

    /// Puts objects back, the last one first, and waits until they are in force: those that could
    /// not be, with the reason.
    async fn put_all_back(
        &self,
        originals: Vec<(String, OriginalObject)>,
        put_back: &mut PutBack,
    ) -> Vec<((String, OriginalObject), Error)> {
        let (mut written, mut refused) = (Vec::new(), Vec::new());
        for (path, original) in originals.into_iter().rev() {
            match self.put_back(&path, &original).await {
                Ok(None) => {}
                Ok(Some((object, is_remade))) => {
                    put_back.is_remade |= is_remade;
                    written.push(WriteRecord {
                        resource: original.resource,
                        namespace: original.namespace,
                        name: original.name,
                        object: Some(object),
                    });
                }
                Err(why) => refused.push(((path, original), why)),
            }
        }
        if written.is_empty() {
            return refused;
        }
        for record in &written {
            put_back.left.extend(self.ready_again(record).await);
        }
        // Kinds that the world defined itself control nothing.
        written.retain(|record| {
            model::object_kind(&record.resource.api_version(), &record.resource.kind).is_some()
        });
        let host_access = self.run.cluster.host_access();
        let settled = wait_in_force(
            &self.run.sentinels,
            host_access,
            &self.waiter,
            &written,
            &[],
        )
        .await;
        put_back
            .left
            .extend(settled.err().map(|why| why.in_one_line()));
        refused
    }

    /// Puts one object back: as the server has it now, and whether it had to be made; nothing where
    /// it is as it was.
    async fn put_back(
        &self,
        path: &str,
        original: &OriginalObject,
    ) -> Result<Option<(Value, bool)>, Error> {
        let now = self.run.own.send_call(ApiCall::get(path)).await.reply;
        let mut wanted = original.object.clone();
        let (call, is_remade) = match (status_code(&now), reply_json(&now)) {
            (Some(404), _) => {
                forget_identity(&mut wanted);
                let namespace = Some(original.namespace.as_str());
                let call = ApiCall::post(original.resource.collection_path(namespace), wanted);
                (call, true)
            }
            (Some(200), Some(now)) if are_alike(&original.object, now) => return Ok(None),
            (Some(200), Some(now)) => {
                let is_other = now["metadata"]["uid"] != wanted["metadata"]["uid"];
                for field in ["resourceVersion", "uid"] {
                    wanted["metadata"][field] = now["metadata"][field].clone();
                }
                (ApiCall::put(path, wanted), is_other)
            }
            _ => return Err(Error::unexpected_reply(&now)),
        };
        let reply = self.run.own.send_call(call).await.reply;
        match reply_json(&reply) {
            Some(object) if was_taken(&reply) && are_alike(&original.object, object) => {
                Ok(Some((object.clone(), is_remade)))
            }
            Some(_) if was_taken(&reply) => Err(Error::unexpected(
                "the server took it back, and changed it on the way",
            )),
            _ => Err(Error::unexpected(reply_message(&reply))),
        }
    }

    /// Waits until a workload runs again as its spec says: what is wrong, if it does not.
    async fn ready_again(&self, record: &WriteRecord) -> Option<String> {
        if !makes_pods(&record.resource) {
            return None;
        }
        let what = format!("{} to be ready again", record.path());
        let wait = ConditionWait {
            what: &what,
            within: READY_AGAIN_WITHIN,
            every: Duration::from_millis(50),
        };
        let ready = self.waiter.wait_until(wait, async || {
            let (resource, namespace, name) = (&record.resource, &record.namespace, &record.name);
            match self
                .look_at_workload(resource, namespace, name, false)
                .await
            {
                // One that is scaled to none has nothing to wait for.
                Ok((PodState::Running, _)) | Err(Error::ScenarioFault { .. }) => {
                    WaitLook::Ready(())
                }
                Ok((PodState::Pending(seen), _)) => WaitLook::NotYet(seen),
                Ok((PodState::Refused { by, said, .. }, _)) => {
                    WaitLook::NotYet(format!("refused by {by}: {said}"))
                }
                Err(why) => WaitLook::from(why),
            }
        });
        ready.await.err().map(|why| why.in_one_line())
    }
}

/// Whether two states of an object differ in nothing that somebody set.
fn are_alike(one: &Value, other: &Value) -> bool {
    set_by_people(one) == set_by_people(other)
}

/// An object without what the server and controllers write themselves.
fn set_by_people(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "creationTimestamp",
            "generation",
            "managedFields",
            "resourceVersion",
            "uid",
        ] {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            // The Deployment controller counts revisions there.
            annotations.retain(|key, _| !key.starts_with("deployment.kubernetes.io/"));
        }
        let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
        metadata.retain(|_, value| !is_empty(value));
    }
    object
}

/// Leaves out what the server sets itself when an object is made.
fn forget_identity(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "generation",
            "managedFields",
            "resourceVersion",
            "uid",
        ] {
            metadata.remove(field);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_writes_is_no_change() {
        let before = json!({
            "metadata": {"name": "a", "resourceVersion": "1", "generation": 1},
            "spec": {"replicas": 1}, "status": {"replicas": 1},
        });
        let same = json!({
            "metadata": {
                "name": "a", "resourceVersion": "7", "generation": 3, "labels": {},
                "annotations": {"deployment.kubernetes.io/revision": "2"},
            },
            "spec": {"replicas": 1}, "status": {"replicas": 0},
        });
        assert!(are_alike(&before, &same));
        for pointer in ["/spec/replicas", "/metadata/name"] {
            let mut other = same.clone();
            *other.pointer_mut(pointer).expect("a field") = json!(2);
            assert!(!are_alike(&before, &other), "{pointer}");
        }
        let mut labelled = same;
        labelled["metadata"]["labels"]["left"] = json!("here");
        assert!(!are_alike(&before, &labelled));
    }

    #[test]
    fn an_object_is_made_again_without_its_old_identity() {
        let mut object = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}});
        forget_identity(&mut object);
        assert_eq!(object, json!({"metadata": {"name": "a"}}));
    }
}
