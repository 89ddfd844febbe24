//! Expressions in the syntax of RE2, which cosign and the policy engines take: read as Go's
//! `regexp/syntax` does, and written in the syntax of the `regex` crate.
//!
//! What both read alike is passed on. What differs, and is translated or refused here:
//! * classes: `\d`, `\w`, `\s`, `\b` are those of ASCII; a class holds neither other classes nor
//!   the operators `&&`, `--`, `~~`; only the POSIX names that RE2 knows are names;
//! * literals: `\Q…\E`, octal `\123`, a `{` that begins no repetition, and `\<`, `\>`, which are
//!   the bare characters;
//! * negation by `^` in `\p{^Greek}`;
//! * refused, as RE2 does: the flags `x`, `u` and `R`, `\u1234`, named halves of word boundaries,
//!   a repetition of a repetition (`a**`), and one of more than 1,000 times.

mod class;
mod escape;

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;
use thiserror::Error;

type Characters<'a> = Peekable<Chars<'a>>;

/// The most that RE2 repeats something.
const MOST_REPEATED: u32 = 1000;

/// A text is not an expression that RE2 knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not an expression: {0}")]
pub struct ExpressionFault(String);

impl ExpressionFault {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// RE2 knows no such thing.
    fn unknown(what: impl std::fmt::Display) -> Self {
        Self::new(format!("`{what}` is not in the syntax of RE2"))
    }
}

/// An expression of RE2's.
///
/// # Errors
/// When it is not one.
pub fn compile_expression(text: &str) -> Result<Regex, ExpressionFault> {
    let translated = translate_expression(text)?;
    Regex::new(&translated).map_err(|fault| {
        let said = fault.to_string();
        let last = said.lines().last().unwrap_or_default();
        ExpressionFault::new(last.trim_start_matches("error: ").to_owned())
    })
}

fn translate_expression(text: &str) -> Result<String, ExpressionFault> {
    let (mut out, mut rest) = (String::new(), text.chars().peekable());
    let mut is_repeated = false;
    while let Some(character) = rest.next() {
        let repetition = match character {
            '*' | '+' | '?' => Some(character.to_string()),
            '{' => take_repetition(&mut rest)?,
            _ => None,
        };
        if let Some(repetition) = repetition {
            if is_repeated {
                return Err(ExpressionFault::unknown(format!("{repetition} repeated")));
            }
            out.push_str(&repetition);
            if rest.next_if_eq(&'?').is_some() {
                out.push('?');
            }
            is_repeated = true;
            continue;
        }
        is_repeated = false;
        match character {
            '\\' => out.push_str(&escape::translate_escape(&mut rest)?),
            '[' => out.push_str(&class::translate_class(&mut rest)?),
            '(' => {
                out.push('(');
                check_flags(&rest)?;
            }
            '{' => out.push_str("\\{"),
            _ => out.push(character),
        }
    }
    Ok(out)
}

/// What a brace that was just read begins, if that is a repetition.
fn take_repetition(rest: &mut Characters<'_>) -> Result<Option<String>, ExpressionFault> {
    let inside: String = rest.clone().take_while(|one| *one != '}').collect();
    let is_closed = rest.clone().any(|one| one == '}');
    let (from, to) = inside.split_once(',').unwrap_or((&inside, &inside));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    if !is_closed || !number(from) || !(to.is_empty() || number(to)) {
        return Ok(None);
    }
    let is_too_much = |text: &str| {
        !text.is_empty()
            && text
                .parse::<u32>()
                .map_or(true, |times| times > MOST_REPEATED)
    };
    if is_too_much(from) || is_too_much(to) {
        return Err(ExpressionFault::unknown(format!("{{{inside}}}")));
    }
    rest.by_ref()
        .take(inside.chars().count() + 1)
        .for_each(drop);
    Ok(Some(format!("{{{inside}}}")))
}

/// Whether a group that was just opened has flags that RE2 knows.
fn check_flags(rest: &Characters<'_>) -> Result<(), ExpressionFault> {
    let mut inside = rest.clone();
    if inside.next() != Some('?') || matches!(inside.peek(), Some('P' | '<')) {
        return Ok(());
    }
    let flags: String = inside.take_while(|one| !matches!(one, ':' | ')')).collect();
    if flags.chars().all(|flag| "imsU-".contains(flag)) {
        Ok(())
    } else {
        Err(ExpressionFault::unknown(format!("(?{flags}")))
    }
}

/// A character by its number, which is nothing but itself.
fn write_literal(character: char) -> String {
    format!("\\x{{{:X}}}", u32::from(character))
}

fn unfinished_error(what: &str) -> ExpressionFault {
    ExpressionFault::new(format!("{what} does not end"))
}

#[cfg(test)]
mod tests;
