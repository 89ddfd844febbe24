//! Expressions in the syntax of RE2, which cosign and the policy engines take: put into the syntax
//! of the `regex` crate, with the meaning that Go's `regexp/syntax` documents.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// An expression of RE2's.
///
/// # Errors
/// When it is not one.
pub fn compile_expression(text: &str) -> Result<Regex, regex::Error> {
    Regex::new(&translate(text))
}

fn translate(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text.chars().peekable());
    while let Some(character) = rest.next() {
        match character {
            '\\' => out.push_str(&escape(&mut rest, false)),
            '[' => translate_class(&mut rest, &mut out),
            _ => out.push(character),
        }
    }
    out
}

/// What stands behind a backslash. Classes and word boundaries of RE2 are those of ASCII.
fn escape(rest: &mut Peekable<Chars<'_>>, in_class: bool) -> String {
    let class = |inside: &str, negated: bool| match (in_class, negated) {
        (true, false) => inside.to_owned(),
        (true, true) => format!("[^{inside}]"),
        (false, false) => format!("[{inside}]"),
        (false, true) => format!("[^{inside}]"),
    };
    match rest.next() {
        Some('Q') if !in_class => regex::escape(&quoted(rest)),
        Some('d') => class("0-9", false),
        Some('D') => class("0-9", true),
        Some('w') => class("0-9A-Za-z_", false),
        Some('W') => class("0-9A-Za-z_", true),
        Some('s') => class("\\t\\n\\x0C\\r ", false),
        Some('S') => class("\\t\\n\\x0C\\r ", true),
        Some('b') if !in_class => "(?-u:\\b)".to_owned(),
        Some('B') if !in_class => "(?-u:\\B)".to_owned(),
        Some(other) => format!("\\{other}"),
        None => "\\".to_owned(),
    }
}

/// The literal text up to `\E`, or to the end.
fn quoted(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut literal = String::new();
    while let Some(character) = rest.next() {
        if character == '\\' && rest.next_if_eq(&'E').is_some() {
            break;
        }
        literal.push(character);
    }
    literal
}

/// A class in brackets. Those of RE2 hold neither other classes nor operators, but for names such
/// as `[:alpha:]`.
fn translate_class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut is_first = true;
    while let Some(character) = rest.next() {
        match character {
            ']' if !is_first => {
                out.push(']');
                return;
            }
            '[' if rest.peek() == Some(&':') => {
                out.push('[');
                // The name, up to the colon and bracket that end it.
                let mut before = ' ';
                for character in rest.by_ref() {
                    out.push(character);
                    if before == ':' && character == ']' {
                        break;
                    }
                    before = character;
                }
            }
            '\\' => out.push_str(&escape(rest, true)),
            ']' | '[' | '&' | '~' => {
                out.push('\\');
                out.push(character);
            }
            '-' if rest.peek() == Some(&'-') => out.push_str("\\-"),
            _ => out.push(character),
        }
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the expression finds something in the text.
    fn finds(expression: &str, text: &str) -> bool {
        compile_expression(expression).unwrap().is_match(text)
    }

    #[test]
    fn what_is_quoted_is_literal() {
        assert!(finds(r"^\Qa.b/\E.*$", "a.b/c"));
        assert!(!finds(r"^\Qa.b/\E.*$", "axb/c"));
        assert!(finds(r"^\Qa[\", r"a[\"));
        assert!(finds(r"^\\Q$", r"\Q"));
    }

    #[test]
    fn classes_are_those_of_ascii() {
        for (expression, yes, no) in [
            (r"^\d$", "7", "\u{0667}"),
            (r"^\w$", "_", "\u{e9}"),
            (r"^\s$", " ", "\u{a0}"),
            (r"^\D$", "\u{0667}", "7"),
            (r"^[\d.]$", ".", "\u{0667}"),
            (r"^[^\w]$", "\u{e9}", "_"),
            (r"^[[:alpha:]]$", "a", "1"),
        ] {
            assert!(finds(expression, yes), "{expression} {yes}");
            assert!(!finds(expression, no), "{expression} {no}");
        }
        assert!(finds(r"\bb\b", "\u{e9}b\u{e9}"));
    }

    #[test]
    fn classes_hold_no_classes_and_no_operators() {
        for (expression, found) in [
            ("^[[]$", "["),
            ("^[]a]$", "]"),
            ("^[a&&b]$", "&"),
            ("^[~]$", "~"),
        ] {
            assert!(finds(expression, found), "{expression}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["(", "[a", "a\\", "(?=a)", r"(a)\1"] {
            assert!(compile_expression(text).is_err(), "{text}");
        }
    }
}
