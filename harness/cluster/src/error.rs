//! What can stand between us and a cluster.

use std::path::PathBuf;

use thiserror::Error;

/// No cluster, or not one that may be used.
#[derive(Debug, Error)]
pub enum Error {
    /// The box did not start, or did not go away.
    #[error("the box failed")]
    Box {
        /// How.
        #[source]
        source: native::Error,
    },
    /// The system has no random bytes to make keys of.
    #[error("the system has no random bytes")]
    NoRandom,
    /// No kubeconfig was named, and none is at the usual places.
    #[error("no kubeconfig: neither `KUBECONFIG` nor `HOME` is set")]
    NoKubeconfig,
    /// The kubeconfig does not exist.
    #[error("there is no kubeconfig `{}`", path.display())]
    KubeconfigMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig `{}`", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// No context was named, and the kubeconfig has no current one.
    #[error("the kubeconfig `{}` has no current context", path.display())]
    NoContext {
        /// The file.
        path: PathBuf,
    },
    /// The kubeconfig does not have this context.
    #[error("the kubeconfig `{}` has no context `{context}`", path.display())]
    UnknownContext {
        /// What was asked for.
        context: String,
        /// The file.
        path: PathBuf,
        /// Those it has.
        known: Vec<String>,
    },
    /// The context's name does not say that the cluster can be thrown away.
    #[error("the context `{context}` is not plainly disposable")]
    NotDisposable {
        /// Its name.
        context: String,
    },
    /// No client can be made of the configuration.
    #[error("cannot make a client of the kubeconfig")]
    Client {
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server does not answer.
    #[error("no cluster answers at `{server}`")]
    NoAnswer {
        /// Its address.
        server: String,
        /// What happened instead; nothing where it did not answer in time.
        #[source]
        source: Option<Box<kube::Error>>,
    },
    /// The API server answers, but not to us.
    #[error("the cluster at `{server}` refuses to {doing}: {said}")]
    Refused {
        /// Its address.
        server: String,
        /// What was asked, as an infinitive.
        doing: &'static str,
        /// Its words.
        said: String,
    },
    /// The objects that the box was to begin with cannot be made.
    #[error("there is no first state")]
    FirstState {
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A trusted root could not be made.
    #[error("no trusted root: {why}")]
    TrustedRoot {
        /// The reason.
        why: String,
    },
    /// What pods send is not counted.
    #[error("packets of pods are not counted: {why}")]
    Uncounted {
        /// Why not.
        why: String,
    },
    /// A thread of ours ended before its work was done.
    #[error("a background thread ended early")]
    Thread {
        /// How.
        #[source]
        source: tokio::task::JoinError,
    },
}

impl Error {
    /// A way out, where there is a plain one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Box { source } => return source.hint(),
            Self::NoKubeconfig | Self::KubeconfigMissing { .. } | Self::NoAnswer { .. } => {
                "start a cluster with `gauntlet up`, or name another kubeconfig".into()
            }
            Self::NoContext { .. } => "name a context".into(),
            Self::UnknownContext { known, .. } if known.is_empty() => {
                "this kubeconfig has no contexts at all".into()
            }
            Self::UnknownContext { known, .. } => format!("it has: {}", known.join(", ")),
            Self::NotDisposable { context } => {
                format!(
                    "scenarios break things on purpose; if `{context}` may be broken, name it on the command line"
                )
            }
            Self::Refused { .. } => "scenarios need an administrator (`cluster-admin`)".into(),
            Self::Kubeconfig { .. }
            | Self::Client { .. }
            | Self::FirstState { .. }
            | Self::TrustedRoot { .. }
            | Self::Uncounted { .. }
            | Self::Thread { .. }
            | Self::NoRandom => return None,
        })
    }
}
