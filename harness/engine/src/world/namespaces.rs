//! What a world has made that has to go with it: namespaces, and objects that go with none of them.

use api::{reply_json, status_code};
use model::ApiReply;
use serde_json::Value;

use crate::discovery::ApiResource;

/// The namespaces of a world, and the other objects that it made.
#[derive(Debug)]
pub(crate) struct WorldNamespaces {
    /// Its own first, then those that it made.
    all: Vec<String>,
    /// The paths of what goes with none of them, in order.
    made: Vec<String>,
    /// What of that is in a namespace that was there before, each as it was made.
    elsewhere: Vec<Value>,
}

impl WorldNamespaces {
    pub(crate) fn new(own: String) -> Self {
        Self {
            all: vec![own],
            made: Vec::new(),
            elsewhere: Vec::new(),
        }
    }

    /// Its own first.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all.iter().any(|one| one == name)
    }

    /// The paths of what goes with none of its namespaces, in the order in which it was made.
    pub(crate) fn made_objects(&self) -> &[String] {
        &self.made
    }

    /// What it made in namespaces that were there before, each as it was made.
    pub(crate) fn made_elsewhere(&self) -> &[Value] {
        &self.elsewhere
    }

    /// Notes an object that a request wrote, and says whether that is a namespace which was not
    /// there before. What was there before is not the world's to take away.
    pub(crate) fn note_object(
        &mut self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
        reply: &ApiReply,
    ) -> bool {
        let is_new = status_code(reply) == Some(201);
        if is_new && resource.kind == "Namespace" {
            self.all.push(name.into());
            return true;
        }
        if is_new && (!resource.namespaced || !self.has(namespace)) {
            self.made.push(resource.object_path(namespace, name));
            let object = reply_json(reply).filter(|_| resource.namespaced);
            self.elsewhere.extend(object.cloned());
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16) -> ApiReply {
        ApiReply::Http {
            code,
            body: model::ReplyBody::from_bytes(b"{}"),
            warnings: Vec::new(),
        }
    }

    /// A kind without a namespace.
    fn wide() -> ApiResource {
        let mut resource = ApiResource::guess_resource("v1", "Wide");
        resource.namespaced = false;
        resource
    }

    #[test]
    fn what_goes_with_no_namespace_is_remembered() {
        let mut namespaces = WorldNamespaces::new("own".into());
        let (pod, wide) = (ApiResource::guess_resource("v1", "Pod"), wide());
        let _ = namespaces.note_object(&pod, "own", "a", &reply(201));
        let _ = namespaces.note_object(&pod, "elsewhere", "b", &reply(201));
        let _ = namespaces.note_object(&wide, "own", "c", &reply(201));
        assert_eq!(
            namespaces.made_objects(),
            ["/api/v1/namespaces/elsewhere/pods/b", "/api/v1/wides/c"]
        );
        assert_eq!(namespaces.made_elsewhere().len(), 1);
    }

    #[test]
    fn a_namespace_that_was_made_takes_its_objects_along() {
        let mut namespaces = WorldNamespaces::new("own".into());
        let (pod, namespace) = (
            ApiResource::guess_resource("v1", "Pod"),
            ApiResource::guess_resource("v1", "Namespace"),
        );
        assert!(namespaces.note_object(&namespace, "own", "other", &reply(201)));
        let _ = namespaces.note_object(&pod, "other", "a", &reply(201));
        assert_eq!(
            (namespaces.all(), namespaces.made_objects().len()),
            (&["own".to_owned(), "other".into()][..], 0)
        );
    }

    #[test]
    fn what_was_there_before_stays() {
        let mut namespaces = WorldNamespaces::new("own".into());
        let wide = wide();
        let _ = namespaces.note_object(&wide, "own", "changed", &reply(200));
        let _ = namespaces.note_object(
            &ApiResource::guess_resource("v1", "Namespace"),
            "own",
            "labelled",
            &reply(200),
        );
        assert_eq!(
            (namespaces.all().len(), namespaces.made_objects().len()),
            (1, 0)
        );
    }
}
