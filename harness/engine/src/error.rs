//! Why something had no answer. Nothing about the cluster follows from it: a step becomes `broken`,
//! and what cannot be taken away is reported.

use api::reply_message;
use error_chain::error_chain;
use std::io;
use std::sync::Arc;

use model::ApiReply;
use thiserror::Error;
use wait::TimedOut;

/// Why a step, a set-up or a tear-down had no answer.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// This cluster cannot do what is asked.
    #[error("{missing}")]
    Unsupported {
        /// What it does not have.
        missing: String,
    },
    /// What was waited for did not come about.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// A tool, or a probe, did not do its work.
    #[error("{name} {problem}")]
    Tool {
        /// The program.
        name: String,
        /// What is wrong with it, as in "the program …".
        problem: String,
        /// What the system says of it.
        #[source]
        source: Option<Arc<io::Error>>,
    },
    /// A server was asked and did not answer.
    #[error("{fault}")]
    NoReply {
        /// What happened instead.
        fault: String,
    },
    /// A server answered something other than it was asked.
    #[error("{said}")]
    UnexpectedReply {
        /// What they said, in one line.
        said: String,
    },
    /// The scenario asks for what cannot be.
    #[error("{fault}")]
    ScenarioFault {
        /// What is wrong with it.
        fault: String,
    },
    /// A file or a socket of this machine.
    #[error("{doing}")]
    Io {
        /// What could not be done with it, as in "cannot read …".
        doing: String,
        /// Why not.
        #[source]
        source: Arc<io::Error>,
    },
    /// A probe said what this program does not understand.
    #[error("the probe is not understood")]
    ProbeLine(#[source] Arc<probe_protocol::Error>),
    /// What could not be made here: a key, a certificate, an image.
    #[error("{fault}")]
    Unmade {
        /// What, and why not.
        fault: String,
    },
    /// The cluster, or its box, failed.
    #[error(transparent)]
    Cluster(Arc<cluster::Error>),
    /// An addon: its own fault, not that of what it was asked for.
    #[error(transparent)]
    Addon(Arc<addons::Error>),
    /// A registry, or an image.
    #[error(transparent)]
    Artifact(Arc<artifact::Error>),
    /// A step on the way to something else.
    #[error("{doing}")]
    During {
        /// What it was needed for, and that it failed.
        doing: String,
        /// How it failed.
        #[source]
        source: Box<Self>,
    },
}

impl Error {
    pub(crate) fn unsupported(missing: impl Into<String>) -> Self {
        Self::Unsupported {
            missing: missing.into(),
        }
    }

    pub(crate) fn no_reply(fault: impl Into<String>) -> Self {
        Self::NoReply {
            fault: fault.into(),
        }
    }

    /// A connection that broke before the answer had come.
    pub(crate) fn lost_connection(fault: impl std::error::Error) -> Self {
        Self::no_reply(error_chain(&fault))
    }

    pub(crate) fn unexpected(said: impl Into<String>) -> Self {
        Self::UnexpectedReply { said: said.into() }
    }

    /// A reply that is not what was asked for.
    pub(crate) fn unexpected_reply(reply: &ApiReply) -> Self {
        match reply {
            ApiReply::Transport { fault } => Self::no_reply(fault.as_str()),
            ApiReply::Http { .. } => Self::unexpected(reply_message(reply)),
        }
    }

    /// The same, with what was to be done.
    pub(crate) fn refused_reply(doing: impl Into<String>, reply: &ApiReply) -> Self {
        Self::unexpected_reply(reply).during_task(doing)
    }

    pub(crate) fn scenario(fault: impl Into<String>) -> Self {
        Self::ScenarioFault {
            fault: fault.into(),
        }
    }

    pub(crate) fn cannot_make(fault: impl Into<String>) -> Self {
        Self::Unmade {
            fault: fault.into(),
        }
    }

    pub(crate) fn tool_failed(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Tool {
            name: name.into(),
            problem: problem.into(),
            source: None,
        }
    }

    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            doing: doing.into(),
            source: Arc::new(source),
        }
    }

    /// The same, told as the reason for something else.
    pub(crate) fn during_task(self, doing: impl Into<String>) -> Self {
        Self::During {
            doing: doing.into(),
            source: Box::new(self),
        }
    }

    /// All of it in one line, for a verdict or a person.
    pub(crate) fn in_one_line(&self) -> String {
        error_chain(self)
    }
}

impl From<api::Error> for Error {
    fn from(source: api::Error) -> Self {
        match source {
            api::Error::Request(_) | api::Error::Lost(_) | api::Error::Late { .. } => {
                Self::no_reply(error_chain(&source))
            }
            api::Error::Unexpected { code: None, said } => Self::no_reply(said),
            api::Error::Unexpected {
                code: Some(_),
                said,
            } => Self::unexpected(said),
        }
    }
}

impl From<addons::Error> for Error {
    fn from(source: addons::Error) -> Self {
        use addons::Error as Addon;
        match source {
            Addon::TimedOut(late) => late.into(),
            Addon::Api(fault) => fault.into(),
            Addon::UnexpectedReply { failed, said } => Self::unexpected(said).during_task(failed),
            Addon::Cluster(fault) => fault.into(),
            fault @ (Addon::Component { .. }
            | Addon::PartAlone { .. }
            | Addon::Install { .. }
            | Addon::Manifest { .. }
            | Addon::Release { .. }
            | Addon::Patch { .. }
            | Addon::Unmade { .. }
            | Addon::Read { .. }
            | Addon::Write { .. }
            | Addon::Socket { .. }
            | Addon::Thread { .. }) => Self::Addon(Arc::new(fault)),
        }
    }
}

impl From<cluster::Error> for Error {
    fn from(source: cluster::Error) -> Self {
        Self::Cluster(Arc::new(source))
    }
}

impl From<artifact::Error> for Error {
    fn from(source: artifact::Error) -> Self {
        Self::Artifact(Arc::new(source))
    }
}

impl From<probe_protocol::Error> for Error {
    fn from(source: probe_protocol::Error) -> Self {
        Self::ProbeLine(Arc::new(source))
    }
}

impl From<model::Error> for Error {
    fn from(source: model::Error) -> Self {
        Self::scenario(error_chain(&source))
    }
}

/// A thread that ended before its work was done.
impl From<tokio::task::JoinError> for Error {
    fn from(source: tokio::task::JoinError) -> Self {
        Self::cannot_make(source.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_the_whole_chain() {
        let gone = io::Error::other("the disk is gone");
        let lost =
            Error::io("cannot read `a`", gone).during_task("the probe in pod web did not answer");
        assert_eq!(
            lost.in_one_line(),
            "the probe in pod web did not answer: cannot read `a`: the disk is gone"
        );
        let boxed = Error::from(cluster::Error::NoContext { path: "k".into() });
        assert_eq!(
            boxed.in_one_line(),
            "the kubeconfig `k` has no current context"
        );
    }

    #[test]
    fn why_an_addon_shows_nothing_stays_apart() {
        let late = wait::TimedOut::unseen("a policy", std::time::Duration::from_secs(2));
        assert!(matches!(
            Error::from(addons::Error::from(late)),
            Error::TimedOut(_)
        ));
        let of = |code| {
            addons::Error::from(api::Error::Unexpected {
                code,
                said: "404: not found".into(),
            })
        };
        assert!(matches!(
            Error::from(of(Some(404))),
            Error::UnexpectedReply { .. }
        ));
        assert!(matches!(Error::from(of(None)), Error::NoReply { .. }));
        let refused = addons::Error::UnexpectedReply {
            failed: "a sentinel could not be made at /x".into(),
            said: "403: no".into(),
        };
        assert_eq!(
            Error::from(refused).in_one_line(),
            "a sentinel could not be made at /x: 403: no"
        );
        let misfit = addons::Error::Patch {
            name: "a".into(),
            why: "w".into(),
            missing: "Service".into(),
        };
        assert!(matches!(Error::from(misfit), Error::Addon(_)));
    }
}
