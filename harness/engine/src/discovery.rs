//! What the API server serves: kinds, their paths and scopes, by aggregated discovery.

use std::sync::{Arc, PoisonError, RwLock};

use api::{ApiCall, ApiCaller, percent_encode};
use model::ApiReply;
use serde_json::Value;

use crate::Error;

const DISCOVERY_TYPES: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A kind and where it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiResource {
    /// The group; empty for the core one.
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
    /// Every name by which people call it, lower case.
    names: Vec<String>,
}

impl ApiResource {
    /// By convention, for a kind that the server does not know, so that the server itself can say
    /// so.
    pub(crate) fn guess_resource(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: model::plural_name(kind),
            namespaced: true,
            names: Vec::new(),
        }
    }

    /// The path of the collection: everywhere without a namespace.
    pub(crate) fn collection_path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            "/api".into()
        } else {
            format!("/apis/{}", percent_encode(&self.group))
        };
        let place = match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("/namespaces/{}", percent_encode(namespace)),
            None => String::new(),
        };
        format!(
            "{root}/{}{place}/{}",
            percent_encode(&self.version),
            percent_encode(&self.plural)
        )
    }

    /// The path of one object.
    pub(crate) fn object_path(&self, namespace: &str, name: &str) -> String {
        format!(
            "{}/{}",
            self.collection_path(Some(namespace)),
            percent_encode(name)
        )
    }

    /// `GROUP/VERSION`, or just the version.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    fn matches_kind(&self, api_version: &str, kind: &str) -> bool {
        self.kind == kind && self.api_version() == api_version
    }

    fn is_called(&self, name: &str) -> bool {
        let (name, group) = name
            .split_once('.')
            .map_or((name, None), |(name, group)| (name, Some(group)));
        group.is_none_or(|group| group == self.group)
            && self.names.iter().any(|known| known == name)
    }
}

/// What is served, as far as it was asked for.
#[derive(Default)]
pub(crate) struct ApiDiscovery {
    known: RwLock<Arc<Vec<ApiResource>>>,
}

impl ApiDiscovery {
    /// The resource of an object's type.
    ///
    /// # Errors
    /// When the server does not answer discovery.
    pub(crate) async fn of_type(
        &self,
        who: &ApiCaller,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<ApiResource>, Error> {
        self.find(who, |resource| resource.matches_kind(api_version, kind))
            .await
    }

    /// The resource that people call `name`: `pod`, `pods`, `po`, `deployment.apps`.
    ///
    /// # Errors
    /// When the server does not answer discovery, or knows nothing of that name.
    pub(crate) async fn find_by_name(
        &self,
        who: &ApiCaller,
        name: &str,
    ) -> Result<ApiResource, Error> {
        let found = self.find(who, |resource| resource.is_called(name)).await?;
        found.ok_or_else(|| {
            Error::unsupported(format!("the API server serves nothing called `{name}`"))
        })
    }

    /// What is served has changed: the server is asked again. A definition can come back with
    /// another scope or plural.
    pub(crate) fn forget_served(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    async fn find(
        &self,
        who: &ApiCaller,
        test: impl Fn(&ApiResource) -> bool,
    ) -> Result<Option<ApiResource>, Error> {
        let known = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(found) = known.iter().find(|resource| test(resource)) {
            return Ok(Some(found.clone()));
        }
        let fresh = Arc::new(ask_server(who).await?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh.iter().find(|resource| test(resource)).cloned())
    }
}

async fn ask_server(who: &ApiCaller) -> Result<Vec<ApiResource>, Error> {
    let (core, groups) = tokio::join!(list_objects(who, "/api"), list_objects(who, "/apis"));
    Ok(core?.into_iter().chain(groups?).collect())
}

/// What is served is the same for all: it is asked for without the identity of a step.
async fn list_objects(who: &ApiCaller, path: &str) -> Result<Vec<ApiResource>, Error> {
    let own = ApiCaller {
        headers: Vec::new(),
        ..who.clone()
    };
    let call = ApiCall {
        accept: DISCOVERY_TYPES,
        ..ApiCall::get(path)
    };
    let reply = own.send_call(call).await.reply;
    match api::reply_json(&reply) {
        Some(list) if list["kind"] == "APIGroupDiscoveryList" => Ok(read_resources(list)),
        _ => Err(Error::refused_reply(
            format!("discovery at {path} failed"),
            &reply,
        )),
    }
}

fn read_resources(list: &Value) -> Vec<ApiResource> {
    let mut found = Vec::new();
    for group in list_items(&list["items"]) {
        for version in list_items(&group["versions"]) {
            for entry in list_items(&version["resources"]) {
                found.extend(resource(
                    &text_field(&group["metadata"]["name"]),
                    &text_field(&version["version"]),
                    entry,
                ));
            }
        }
    }
    found
}

fn resource(group: &str, version: &str, entry: &Value) -> Option<ApiResource> {
    let (kind, plural) = (
        text_field(&entry["responseKind"]["kind"]),
        text_field(&entry["resource"]),
    );
    if kind.is_empty() || plural.is_empty() {
        return None;
    }
    let short = list_items(&entry["shortNames"]).iter().map(text_field);
    let names = [
        plural.clone(),
        text_field(&entry["singularResource"]),
        kind.to_lowercase(),
    ]
    .into_iter()
    .chain(short);
    Some(ApiResource {
        group: group.into(),
        version: version.into(),
        names: names.filter(|name| !name.is_empty()).collect(),
        kind,
        plural,
        namespaced: entry["scope"] == "Namespaced",
    })
}

fn list_items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text_field(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A request for one object of a type that may be unknown: its resource by discovery, else by
/// convention.
///
/// # Errors
/// When the server does not answer discovery.
pub(crate) async fn resource_of(
    discovery: &ApiDiscovery,
    who: &ApiCaller,
    object: &Value,
) -> Result<ApiResource, Error> {
    let (api_version, kind) = (
        text_field(&object["apiVersion"]),
        text_field(&object["kind"]),
    );
    let found = discovery.of_type(who, &api_version, &kind).await?;
    Ok(found.unwrap_or_else(|| ApiResource::guess_resource(&api_version, &kind)))
}

/// Reads one object by path as the engine itself.
///
/// # Errors
/// What the server said instead.
pub(crate) async fn fetch_object(
    who: &ApiCaller,
    resource: &ApiResource,
    namespace: &str,
    name: &str,
) -> Result<Value, Error> {
    match who
        .send_call(ApiCall::get(resource.object_path(namespace, name)))
        .await
        .reply
    {
        ApiReply::Http {
            code: 200,
            body: model::ReplyBody::Json(body),
            ..
        } => Ok(body),
        reply => Err(Error::unexpected_reply(&reply)),
    }
}

/// The same, with nothing for an object that the server says is not there.
///
/// # Errors
/// What the server said instead.
pub(crate) async fn find_object(
    who: &ApiCaller,
    resource: &ApiResource,
    namespace: &str,
    name: &str,
) -> Result<Option<Value>, Error> {
    found_object(
        &who.send_call(ApiCall::get(resource.object_path(namespace, name)))
            .await
            .reply,
    )
}

fn found_object(reply: &ApiReply) -> Result<Option<Value>, Error> {
    match reply {
        ApiReply::Http {
            code: 200,
            body: model::ReplyBody::Json(body),
            ..
        } => Ok(Some(body.clone())),
        ApiReply::Http {
            code: 404,
            body: model::ReplyBody::Json(status),
            ..
        } if status["reason"] == "NotFound" => Ok(None),
        reply => Err(Error::unexpected_reply(reply)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn served() -> Vec<ApiResource> {
        read_resources(&json!({"items": [
            {"metadata": {}, "versions": [{"version": "v1", "resources": [
                {"resource": "pods", "responseKind": {"kind": "Pod"}, "scope": "Namespaced", "singularResource": "pod",
                 "shortNames": ["po"]},
                {"resource": "nodes", "responseKind": {"kind": "Node"}, "scope": "Cluster", "singularResource": "node"},
            ]}]},
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
                {"resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced"}]}]},
        ]}))
    }

    #[test]
    fn finds_by_every_name() {
        let all = served();
        let plural = |name: &str| {
            all.iter()
                .find(|one| one.is_called(name))
                .map(|one| one.plural.as_str())
        };
        for name in ["pod", "pods", "po"] {
            assert_eq!(plural(name), Some("pods"), "{name}");
        }
        assert_eq!(plural("deployment.apps"), Some("deployments"));
        assert_eq!(plural("deployment.extensions"), None);
        assert_eq!(plural("po.d"), None);
    }

    #[test]
    fn makes_paths() {
        let all = served();
        assert_eq!(
            all[0].object_path("a", "b/c"),
            "/api/v1/namespaces/a/pods/b%2Fc"
        );
        assert_eq!(all[0].collection_path(None), "/api/v1/pods");
        assert_eq!(all[1].object_path("a", "n"), "/api/v1/nodes/n");
        assert_eq!(
            all[2].object_path("a", "n"),
            "/apis/apps/v1/namespaces/a/deployments/n"
        );
    }

    #[test]
    fn only_the_servers_own_word_says_that_an_object_is_not_there() {
        let reply = |code, body: &[u8]| ApiReply::Http {
            code,
            body: model::ReplyBody::from_bytes(body),
            warnings: Vec::new(),
        };
        let gone =
            br#"{"kind": "Status", "reason": "NotFound", "message": "secrets \"db\" not found"}"#;
        assert_eq!(found_object(&reply(404, gone)).unwrap(), None);
        assert!(found_object(&reply(404, b"404 page not found")).is_err());
        assert!(found_object(&reply(503, gone)).is_err());
        assert_eq!(
            found_object(&reply(200, br#"{"kind": "Secret"}"#)).unwrap(),
            Some(json!({"kind": "Secret"}))
        );
    }

    #[test]
    fn guesses_by_convention() {
        let guess = ApiResource::guess_resource("example.com/v9", "Policy");
        assert_eq!(
            guess.object_path("a", "x"),
            "/apis/example.com/v9/namespaces/a/policies/x"
        );
    }
}
