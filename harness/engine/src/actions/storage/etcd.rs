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

/// The key of an object, as the API server makes it: built-in kinds by their plural alone, others
/// below their group.
pub(crate) fn etcd_key(resource: &ApiResource, namespace: &str, name: &str) -> String {
    let group = resource.group.as_str();
    let built_in = !group.contains('.') || group.ends_with(".k8s.io");
    let root = if built_in {
        "/registry".to_owned()
    } else {
        format!("/registry/{group}")
    };
    let place = if resource.namespaced {
        format!("/{namespace}")
    } else {
        String::new()
    };
    format!("{root}/{}{place}/{name}", resource.plural)
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
        };
        tools::must_with(host_access, &call, input).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_api_server() {
        let secret = ApiResource::guess_resource("v1", "Secret");
        assert_eq!(etcd_key(&secret, "a", "b"), "/registry/secrets/a/b");
        assert_eq!(
            etcd_key(
                &ApiResource::guess_resource("apps/v1", "Deployment"),
                "a",
                "b"
            ),
            "/registry/deployments/a/b"
        );
        let policy = ApiResource::guess_resource("rbac.authorization.k8s.io/v1", "Role");
        assert_eq!(etcd_key(&policy, "a", "b"), "/registry/roles/a/b");
        let custom = ApiResource::guess_resource("external-secrets.io/v1", "SecretStore");
        assert_eq!(
            etcd_key(&custom, "a", "b"),
            "/registry/external-secrets.io/secretstores/a/b"
        );
    }
}
