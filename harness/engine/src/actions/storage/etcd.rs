//! etcd itself, through `etcdctl` in the box.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cluster::HostAccess;
use serde_json::Value;

use crate::Error;
use crate::discovery::ApiResource;
use crate::tools::{self, ToolCall, ToolOutput};
use crate::world::LiveWorld;

/// A key, and the bytes there.
type EtcdPair = (Vec<u8>, Vec<u8>);

/// Where etcd listens, inside the box.
const ETCD_ENDPOINT: &str = "--endpoints=http://127.0.0.1:2379";

/// The key of an object, as the API server makes it.
///
/// # Errors
/// When nobody knows where etcd has such objects.
pub(crate) fn etcd_key(
    resource: &ApiResource,
    namespace: &str,
    name: &str,
) -> Result<String, Error> {
    let folder = model::etcd_folder(&resource.group, &resource.plural).ok_or_else(|| {
        let kind = &resource.kind;
        Error::scenario(format!("nothing is known of where etcd has a {kind}"))
    })?;
    let place = if resource.namespaced {
        format!("/{namespace}")
    } else {
        String::new()
    };
    Ok(format!("{folder}{place}/{name}"))
}

impl LiveWorld<'_> {
    /// The bytes at a key.
    ///
    /// # Errors
    /// When etcd cannot be asked, or has no such key.
    pub(crate) async fn stored_bytes(&self, key: &str) -> Result<Vec<u8>, Error> {
        let found = self.stored_pairs(&["get", key]).await?.pop();
        found
            .map(|(_, bytes)| bytes)
            .ok_or_else(|| Error::unexpected(format!("etcd has no key `{key}`")))
    }

    /// Every key that begins so, and the bytes there.
    pub(super) async fn stored_below(&self, prefix: &str) -> Result<Vec<EtcdPair>, Error> {
        self.stored_pairs(&["get", prefix, "--prefix"]).await
    }

    async fn stored_pairs(&self, args: &[&str]) -> Result<Vec<EtcdPair>, Error> {
        let fault =
            |why: &dyn std::fmt::Display| Error::unexpected(format!("etcdctl's answer: {why}"));
        let args: Vec<&str> = args.iter().copied().chain(["--write-out=json"]).collect();
        let output = self.run_etcdctl(&args, None).await?;
        let reply: Value = serde_json::from_str(&output.stdout).map_err(|why| fault(&why))?;
        let found = reply["kvs"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let decode = |text: &Value| {
            STANDARD
                .decode(text.as_str().unwrap_or_default())
                .map_err(|why| fault(&why))
        };
        found
            .iter()
            .map(|one| Ok((decode(&one["key"])?, decode(&one["value"])?)))
            .collect()
    }

    /// Writes bytes to a key.
    pub(super) async fn put_stored(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.run_etcdctl(&["put", key], Some(bytes)).await.map(drop)
    }

    /// Runs `etcdctl`, which has to do its work.
    pub(super) async fn run_etcdctl(
        &self,
        args: &[&str],
        input: Option<&[u8]>,
    ) -> Result<ToolOutput, Error> {
        let args: Vec<&str> = std::iter::once(ETCD_ENDPOINT)
            .chain(args.iter().copied())
            .collect();
        self.in_the_box("etcdctl", &args, input).await
    }

    /// Runs a program in the box, which has to do its work.
    pub(crate) async fn in_the_box(
        &self,
        program: &str,
        args: &[&str],
        input: Option<&[u8]>,
    ) -> Result<ToolOutput, Error> {
        let host_access: HostAccess<'_> = self.host_access()?;
        let home = self.world_folder()?;
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let call = ToolCall {
            program,
            args,
            home: &home,
            variables: Vec::new(),
        };
        tools::must_with(host_access, &call, input).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_api_server() {
        let key = |version: &str, kind: &str, namespaced: bool| {
            let mut resource = ApiResource::guess_resource(version, kind);
            resource.namespaced = namespaced;
            etcd_key(&resource, "a", "b").ok()
        };
        for (version, kind, wanted) in [
            ("v1", "Secret", "/registry/secrets/a/b"),
            ("v1", "Service", "/registry/services/specs/a/b"),
            ("v1", "Endpoints", "/registry/services/endpoints/a/b"),
            ("v1", "ReplicationController", "/registry/controllers/a/b"),
            ("apps/v1", "Deployment", "/registry/deployments/a/b"),
            ("networking.k8s.io/v1", "Ingress", "/registry/ingress/a/b"),
            (
                "rbac.authorization.k8s.io/v1",
                "Role",
                "/registry/roles/a/b",
            ),
            (
                "external-secrets.io/v1",
                "SecretStore",
                "/registry/external-secrets.io/secretstores/a/b",
            ),
            (
                "gateway.networking.k8s.io/v1",
                "Gateway",
                "/registry/gateway.networking.k8s.io/gateways/a/b",
            ),
        ] {
            assert_eq!(key(version, kind, true).as_deref(), Some(wanted));
        }
        for (version, kind, wanted) in [
            ("v1", "Node", "/registry/minions/b"),
            (
                "apiregistration.k8s.io/v1",
                "APIService",
                "/registry/apiregistration.k8s.io/apiservices/b",
            ),
            (
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                "/registry/apiextensions.k8s.io/customresourcedefinitions/b",
            ),
        ] {
            assert_eq!(key(version, kind, false).as_deref(), Some(wanted));
        }
        assert_eq!(key("authentication.k8s.io/v1", "TokenReview", false), None);
    }
}
