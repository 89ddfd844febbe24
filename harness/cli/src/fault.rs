//! A fault for a person: the fact, what lies behind it, the way out, and how the command ends.

use std::error::Error;

use crate::exit::ExitReason;

/// Something that ends the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandFault {
    /// How the command ends.
    pub(crate) exit: ExitReason,
    /// The fact.
    pub(crate) what: String,
    /// What lies behind it, outermost first.
    pub(crate) causes: Vec<String>,
    /// The way out.
    pub(crate) hint: Option<String>,
}

impl CommandFault {
    pub(crate) fn new(exit: ExitReason, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            causes: Vec::new(),
            hint: None,
        }
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(ExitReason::Usage, what)
    }

    pub(crate) fn machine(what: impl Into<String>) -> Self {
        Self::new(ExitReason::Machine, what)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn because_of(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// With what another program said is wrong, if it said anything.
    pub(crate) fn caused_by(mut self, by: String) -> Self {
        self.causes.extend(Some(by).filter(|by| !by.is_empty()));
        self
    }

    fn from_error(exit: ExitReason, error: &(dyn Error + 'static), hint: Option<String>) -> Self {
        let mut fault = Self {
            exit,
            what: error.to_string(),
            causes: Vec::new(),
            hint,
        };
        if let Some(source) = error.source() {
            fault = fault.because_of(source);
        }
        fault
    }

    /// As it is printed: `error: FACT`, its causes, a blank line, `hint: WAY OUT`.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error: {}", self.what);
        for cause in &self.causes {
            text.push_str(&format!("\n  caused by: {cause}"));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n\nhint: {hint}"));
        }
        text
    }
}

impl From<model::Error> for CommandFault {
    fn from(error: model::Error) -> Self {
        let exit = if matches!(error, model::Error::NoScenario { .. }) {
            ExitReason::Nothing
        } else {
            ExitReason::Usage
        };
        Self::from_error(exit, &error, error.hint())
    }
}

impl From<golden::Error> for CommandFault {
    fn from(error: golden::Error) -> Self {
        use golden::Error::{Format, Id, NotPending, Outside};
        let exit = match &error {
            NotPending { .. } => ExitReason::Nothing,
            Outside { .. } | Id { .. } | Format { .. } => ExitReason::Usage,
            _ => ExitReason::Machine,
        };
        Self::from_error(exit, &error, error.hint())
    }
}

impl From<components::Error> for CommandFault {
    fn from(error: components::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&components::Error> for CommandFault {
    fn from(error: &components::Error) -> Self {
        Self::from_error(of_component(error), error, error.hint())
    }
}

impl From<native::Error> for CommandFault {
    fn from(error: native::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&native::Error> for CommandFault {
    fn from(error: &native::Error) -> Self {
        Self::from_error(of_box(error), error, error.hint())
    }
}

impl From<runner::Error> for CommandFault {
    fn from(error: runner::Error) -> Self {
        use runner::Error;
        match error {
            Error::Scenario(error) => error.into(),
            Error::Component(error) => error.into(),
            Error::Build(error) => Self::from(error.as_ref()),
            Error::Cluster(error) => error.into(),
            Error::Addons(error) => error.into(),
            error @ (Error::BuildsEnded | Error::TaskEnded { .. }) => {
                Self::from_error(ExitReason::Broken, &error, None)
            }
            error @ (Error::NotTakenDown { .. } | Error::InterruptedLeaving { .. }) => {
                Self::from_error(ExitReason::Leaked, &error, None)
            }
            error @ Error::Interrupted => Self::from_error(ExitReason::Interrupted, &error, None),
        }
    }
}

impl From<cluster::Error> for CommandFault {
    fn from(error: cluster::Error) -> Self {
        use cluster::Error::{Box, NotDisposable, UnknownContext};
        match error {
            Box { source } => source.into(),
            NotDisposable { ref context } => {
                let hint = format!(
                    "scenarios break things on purpose; if it may be lost: `--disposable {context}`"
                );
                Self::from_error(ExitReason::Usage, &error, Some(hint))
            }
            UnknownContext { .. } => Self::from_error(ExitReason::Usage, &error, error.hint()),
            error => Self::from_error(ExitReason::Machine, &error, error.hint()),
        }
    }
}

impl From<addons::Error> for CommandFault {
    fn from(error: addons::Error) -> Self {
        match error {
            addons::Error::Cluster(source) => source.into(),
            error @ addons::Error::PartAlone { .. } => {
                Self::from_error(ExitReason::Usage, &error, error.hint())
            }
            error => Self::from_error(ExitReason::Machine, &error, error.hint()),
        }
    }
}

fn of_component(error: &components::Error) -> ExitReason {
    use components::Error;
    match error {
        Error::Archive { .. } | Error::UnknownComponent(_) | Error::UnknownRelease { .. } => {
            ExitReason::Usage
        }
        Error::NoCache
        | Error::File { .. }
        | Error::MissingTool { .. }
        | Error::Build { .. }
        | Error::DiskFull { .. }
        | Error::System { .. }
        | Error::Malformed { .. } => ExitReason::Machine,
    }
}

fn of_box(error: &native::Error) -> ExitReason {
    use native::Error::{
        BadCluster, BadName, Component, Down, NameTaken, NoNodeNumbered, NoSuchBox,
    };
    match error {
        Component(error) => of_component(error),
        BadName(_) | BadCluster(_) | NoSuchBox(_) | NameTaken(_) | NoNodeNumbered { .. } => {
            ExitReason::Usage
        }
        Down { .. } => ExitReason::Leaked,
        _ => ExitReason::Machine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_as_fact_causes_and_way_out() {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "not there");
        let fault = CommandFault::usage("cannot read `x`")
            .because_of(&source)
            .hint("make one");
        assert_eq!(
            fault.text(),
            "error: cannot read `x`\n  caused by: not there\n\nhint: make one"
        );
    }

    #[test]
    fn the_source_of_an_error_is_said_once() {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "not there");
        let fault = CommandFault::from(model::Error::Read {
            path: "x".into(),
            source,
        });
        assert_eq!(fault.what, "cannot read `x`");
        assert_eq!(fault.causes, ["not there"]);
        assert_eq!(fault.exit, ExitReason::Usage);
    }
}
