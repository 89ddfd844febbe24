//! From a kubeconfig to a client.

use std::env;
use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::Error;

/// A client's configuration, and the context it came from.
pub(crate) struct FoundContext {
    pub(crate) config: Config,
    pub(crate) context: String,
}

/// Reads a kubeconfig and picks a context.
pub(crate) async fn read_kubeconfig(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> Result<FoundContext, Error> {
    let path = kubeconfig
        .map(Path::to_owned)
        .or_else(default_path)
        .ok_or(Error::NoKubeconfig)?;
    let failed = |source| Error::Kubeconfig {
        path: path.clone(),
        source: Box::new(source),
    };
    if !path.exists() {
        return Err(Error::KubeconfigMissing { path });
    }
    let file = Kubeconfig::read_from(&path).map_err(failed)?;
    let context = match context
        .map(str::to_owned)
        .or_else(|| file.current_context.clone())
    {
        Some(context) if !context.is_empty() => context,
        _ => return Err(Error::NoContext { path }),
    };
    if !file.contexts.iter().any(|known| known.name == context) {
        let known = file.contexts.into_iter().map(|known| known.name).collect();
        return Err(Error::UnknownContext {
            context,
            path,
            known,
        });
    }
    let options = KubeConfigOptions {
        context: Some(context.clone()),
        ..KubeConfigOptions::default()
    };
    let mut config = Config::from_custom_kubeconfig(file, &options)
        .await
        .map_err(failed)?;
    config.default_retry = false;
    Ok(FoundContext { config, context })
}

/// `$KUBECONFIG`'s first file, else `~/.kube/config`.
fn default_path() -> Option<PathBuf> {
    let listed = env::var_os("KUBECONFIG")
        .and_then(|list| env::split_paths(&list).find(|path| !path.as_os_str().is_empty()));
    listed.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".kube/config")))
}

pub(crate) fn make_client(config: Config) -> Result<Client, Error> {
    Client::try_from(config).map_err(|source| Error::Client {
        source: Box::new(source),
    })
}

pub(crate) fn bearer_client(token: &str) -> AuthInfo {
    AuthInfo {
        token: Some(token.to_owned().into()),
        ..AuthInfo::default()
    }
}
