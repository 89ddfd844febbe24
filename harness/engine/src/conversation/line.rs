//! The lines of a conversation; `probe` has the other end.

use crate::Error;
use serde_json::{Value, json};

/// What a probe says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// What is seen so far.
    Seen(String),
    /// What came of it.
    Output(Vec<u8>),
    /// Why nothing did.
    Fault(String),
}

/// A question, as a line with its end.
pub(super) fn question(id: u64, words: &[String]) -> String {
    format!("{}\n", json!({"id": id, "words": words}))
}

/// Reads what is said to the question of a number.
///
/// # Errors
/// When it is nothing that a probe says.
pub(super) fn said(line: &str) -> Result<(u64, Said), Error> {
    let start = line.trim_end().chars().take(200).collect::<String>();
    let unknown = || Error::unexpected(format!("the probe said `{start}`"));
    let value: Value = serde_json::from_str(line).map_err(|_| unknown())?;
    let id = value["id"].as_u64().ok_or_else(unknown)?;
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let bytes = |text: String| -> Result<Vec<u8>, Error> {
        text.chars()
            .map(|one| u8::try_from(one).map_err(|_| unknown()))
            .collect()
    };
    Ok((
        id,
        match (text("seen"), text("output"), text("fault")) {
            (Some(seen), None, None) => Said::Seen(seen),
            (None, Some(output), None) => Said::Output(bytes(output)?),
            (None, None, Some(fault)) => Said::Fault(fault),
            _ => return Err(unknown()),
        },
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_probe_says_is_read_and_nothing_else() {
        assert_eq!(
            question(3, &["cat".into(), "a\nb".into()]),
            "{\"id\":3,\"words\":[\"cat\",\"a\\nb\"]}\n"
        );
        assert_eq!(
            said(r#"{"id":1,"output":"a\u0000\u00ff"}"#).unwrap(),
            (1, Said::Output(vec![b'a', 0, 0xff]))
        );
        assert_eq!(
            said(r#"{"id":2,"seen":"x"}"#).unwrap(),
            (2, Said::Seen("x".into()))
        );
        assert_eq!(
            said(r#"{"id":3,"fault":"no"}"#).unwrap(),
            (3, Said::Fault("no".into()))
        );
        for line in [
            "",
            "probe: no",
            "{}",
            r#"{"id":1}"#,
            r#"{"output":"x"}"#,
            r#"{"id":1,"output":7}"#,
            r#"{"id":1,"output":"€"}"#,
            r#"{"id":1,"output":"x","fault":"y"}"#,
        ] {
            assert!(said(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC*", text in "\\PC*") {
            let _ = said(&line);
            let _ = said(&json!({"id": 1, "output": text}).to_string());
        }
    }
}
