//! The lines of a conversation.

use serde_json::{Value, json};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) id: u64,
    /// The words of a command.
    pub(super) words: Vec<String>,
}

impl Question {
    /// Reads a line; nothing, where it is no question.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let word = |word: &Value| word.as_str().map(str::to_owned);
        let words = value["words"]
            .as_array()?
            .iter()
            .map(word)
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            id: value["id"].as_u64()?,
            words,
        })
    }
}

/// What came of a question, or was seen before anything did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Seen(String),
    Output(Vec<u8>),
    Fault(String),
}

impl Said {
    /// The line that says it, with its end.
    pub(super) fn line(&self, id: u64) -> String {
        let (key, text) = match self {
            Self::Seen(text) => ("seen", text.clone()),
            Self::Output(bytes) => (
                "output",
                bytes.iter().map(|byte| char::from(*byte)).collect(),
            ),
            Self::Fault(text) => ("fault", text.clone()),
        };
        format!("{}\n", json!({"id": id, key: text}))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_question_has_a_number_and_words() {
        let question = Question {
            id: 7,
            words: vec!["cat".into(), "/etc/hosts".into()],
        };
        assert_eq!(
            Question::read(br#"{"id":7,"words":["cat","/etc/hosts"]}"#),
            Some(question)
        );
        for line in [
            "",
            "{",
            "7",
            r#"{"id":7}"#,
            r#"{"words":[]}"#,
            r#"{"id":-1,"words":[]}"#,
            r#"{"id":1,"words":[1]}"#,
        ] {
            assert_eq!(Question::read(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn bytes_are_characters() {
        let line = Said::Output(vec![b'a', 0, 0xff]).line(1);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&value["id"], &value["output"]),
            (&json!(1), &json!("a\0\u{ff}"))
        );
        assert_eq!(
            Said::Fault("no".into()).line(2),
            "{\"id\":2,\"fault\":\"no\"}\n"
        );
        assert_eq!(Said::Seen("x\ny".into()).line(3).lines().count(), 1);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in proptest::collection::vec(any::<u8>(), 0..60), text in "\\PC*") {
            let _ = Question::read(&line);
            let _ = Question::read(text.as_bytes());
        }
    }
}
