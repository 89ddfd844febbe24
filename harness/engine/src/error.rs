//! Why something came to no answer. Nothing about the cluster follows from it: a step becomes `broken`, and what cannot
//! be taken away is reported.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use model::Reply;
use thiserror::Error;

use crate::request::said;

/// Why a step, a set-up or a tear-down came to no answer.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// This cluster cannot do what is asked.
    #[error("{missing}")]
    Unsupported {
        /// What it does not have.
        missing: String,
    },
    /// What was waited for did not come about.
    #[error("waited {} for {what}{}", seconds(*within), last(seen.as_deref()))]
    TimedOut {
        /// What was waited for, as in "waited for …".
        what: String,
        /// What was seen last, where somebody looked.
        seen: Option<String>,
        /// How long it was waited for.
        within: Duration,
    },
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
    /// Somebody was asked and did not answer.
    #[error("{fault}")]
    NoReply {
        /// What happened instead.
        fault: String,
    },
    /// Somebody answered something else than they were asked.
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
    pub(crate) fn lost(fault: impl std::error::Error) -> Self {
        Self::no_reply(cluster::chain(&fault))
    }

    pub(crate) fn unexpected(said: impl Into<String>) -> Self {
        Self::UnexpectedReply { said: said.into() }
    }

    /// A reply that is not what was asked for.
    pub(crate) fn reply(reply: &Reply) -> Self {
        match reply {
            Reply::Transport { fault } => Self::no_reply(fault.as_str()),
            Reply::Http { .. } => Self::unexpected(said(reply)),
        }
    }

    /// The same, with what was to be done.
    pub(crate) fn refused(doing: impl Into<String>, reply: &Reply) -> Self {
        Self::reply(reply).during(doing)
    }

    pub(crate) fn scenario(fault: impl Into<String>) -> Self {
        Self::ScenarioFault {
            fault: fault.into(),
        }
    }

    pub(crate) fn unmade(fault: impl Into<String>) -> Self {
        Self::Unmade {
            fault: fault.into(),
        }
    }

    pub(crate) fn tool(name: impl Into<String>, problem: impl Into<String>) -> Self {
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
    pub(crate) fn during(self, doing: impl Into<String>) -> Self {
        Self::During {
            doing: doing.into(),
            source: Box::new(self),
        }
    }

    /// All of it in one line, for a verdict or a person.
    pub(crate) fn in_one_line(&self) -> String {
        cluster::chain(self)
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
        Self::scenario(cluster::chain(&source))
    }
}

/// A thread of our own that was ended before its work was done.
impl From<tokio::task::JoinError> for Error {
    fn from(source: tokio::task::JoinError) -> Self {
        Self::unmade(source.to_string())
    }
}

fn last(seen: Option<&str>) -> String {
    seen.map(|seen| format!("; last seen: {seen}"))
        .unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_the_whole_chain() {
        let gone = io::Error::other("the disk is gone");
        let lost = Error::io("cannot read `a`", gone).during("the probe in pod web did not answer");
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
    fn a_time_out_says_how_long_and_what_was_seen() {
        let waited = |seen: Option<&str>, millis| Error::TimedOut {
            what: "the door".into(),
            seen: seen.map(str::to_owned),
            within: Duration::from_millis(millis),
        };
        assert_eq!(
            waited(Some("shut"), 2000).to_string(),
            "waited 2 s for the door; last seen: shut"
        );
        assert_eq!(waited(None, 5).to_string(), "waited 5 ms for the door");
    }
}
