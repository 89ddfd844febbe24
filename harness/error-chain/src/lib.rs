//! An error and its causes in one line, the same everywhere: in verdicts, reports and what a process
//! of the box says.

use std::error::Error;

/// An error with all its causes, in one line. A cause that the text says already is left out: many
/// errors put their cause into their own text.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct LinkedError(&'static str, Option<Box<LinkedError>>);

    impl fmt::Display for LinkedError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for LinkedError {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn says_each_cause_once() {
        let link = |text, cause: Option<LinkedError>| LinkedError(text, cause.map(Box::new));
        let deepest = || Some(link("no such host", None));
        let said_twice = link("failed to connect: no such host", deepest());
        assert_eq!(error_chain(&said_twice), "failed to connect: no such host");
        let three = link("no answer", Some(link("failed to connect", deepest())));
        assert_eq!(
            error_chain(&three),
            "no answer: failed to connect: no such host"
        );
        assert_eq!(error_chain(&link("alone", None)), "alone");
    }
}
