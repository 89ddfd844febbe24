//! What stands behind a backslash.

use super::{Characters, ExpressionFault, unfinished_error, write_literal};

const DIGIT_RANGE: &str = "0-9";
const WORD_RANGES: &str = "0-9A-Za-z_";
const SPACE_RANGES: &str = "\\t\\n\\x0C\\r ";

/// What an escape is, outside of a class.
pub(super) fn translate_escape(rest: &mut Characters<'_>) -> Result<String, ExpressionFault> {
    let Some(&character) = rest.peek() else {
        return Err(unfinished_error("a backslash"));
    };
    if let Some((inside, is_negated)) = perl_class(character) {
        rest.next();
        let sign = if is_negated { "^" } else { "" };
        return Ok(format!("[{sign}{inside}]"));
    }
    let assertion = match character {
        'A' => "\\A",
        'z' => "\\z",
        'b' => "(?-u:\\b)",
        'B' => "(?-u:\\B)",
        'Q' => {
            rest.next();
            return Ok(take_quoted(rest));
        }
        'p' | 'P' => return unicode_class(rest),
        _ => return character_of(rest).map(write_literal),
    };
    rest.next();
    Ok(assertion.to_owned())
}

/// The characters of a class such as `\d`, and whether it is all others.
pub(super) fn perl_class(character: char) -> Option<(&'static str, bool)> {
    match character {
        'd' => Some((DIGIT_RANGE, false)),
        'D' => Some((DIGIT_RANGE, true)),
        'w' => Some((WORD_RANGES, false)),
        'W' => Some((WORD_RANGES, true)),
        's' => Some((SPACE_RANGES, false)),
        'S' => Some((SPACE_RANGES, true)),
        _ => None,
    }
}

/// A class of Unicode's, from its `p` on.
pub(super) fn unicode_class(rest: &mut Characters<'_>) -> Result<String, ExpressionFault> {
    let is_negated = rest.next() == Some('P');
    let Some(first) = rest.next() else {
        return Err(unfinished_error("a class of Unicode"));
    };
    let name: String = if first == '{' {
        take_braced(rest).ok_or_else(|| unfinished_error("a class of Unicode"))?
    } else {
        first.to_string()
    };
    let (is_negated, name) = match name.strip_prefix('^') {
        Some(name) => (!is_negated, name.to_owned()),
        None => (is_negated, name),
    };
    if name.is_empty()
        || !name
            .chars()
            .all(|one| one.is_ascii_alphabetic() || one == '_')
    {
        return Err(ExpressionFault::unknown(format!("\\p{{{name}}}")));
    }
    let letter = if is_negated { 'P' } else { 'p' };
    Ok(format!("\\{letter}{{{name}}}"))
}

/// What stands up to a closing brace, which is taken as well.
fn take_braced(rest: &mut Characters<'_>) -> Option<String> {
    let mut inside = String::new();
    loop {
        match rest.next()? {
            '}' => return Some(inside),
            other => inside.push(other),
        }
    }
}

/// The one character that an escape stands for, from behind the backslash on.
pub(super) fn character_of(rest: &mut Characters<'_>) -> Result<char, ExpressionFault> {
    let Some(character) = rest.next() else {
        return Err(unfinished_error("a backslash"));
    };
    Ok(match character {
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => hexadecimal(rest)?,
        // A single digit other than zero would be a reference to a group.
        '0' => octal(0, rest),
        '1'..='7' if rest.peek().is_some_and(|next| ('0'..='7').contains(next)) => {
            octal(character.to_digit(8).unwrap_or_default(), rest)
        }
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => other,
        other => return Err(ExpressionFault::unknown(format!("\\{other}"))),
    })
}

/// A digit that was read, and up to two more.
fn octal(first: u32, rest: &mut Characters<'_>) -> char {
    let mut value = first;
    for _ in 0..2 {
        let Some(digit) = rest.peek().and_then(|next| next.to_digit(8)) else {
            break;
        };
        value = value * 8 + digit;
        rest.next();
    }
    char::from_u32(value).unwrap_or_default()
}

/// `41` or `{1F600}`.
fn hexadecimal(rest: &mut Characters<'_>) -> Result<char, ExpressionFault> {
    let is_braced = rest.next_if_eq(&'{').is_some();
    let digits: String = if is_braced {
        take_braced(rest).unwrap_or_default()
    } else {
        rest.by_ref().take(2).collect()
    };
    let is_whole = (is_braced || digits.len() == 2)
        && !digits.is_empty()
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_whole
        .then(|| u32::from_str_radix(&digits, 16).ok())
        .flatten()
        .and_then(char::from_u32)
        .ok_or_else(|| ExpressionFault::unknown(format!("\\x{digits}")))
}

/// The literal text up to `\E`, or to the end.
fn take_quoted(rest: &mut Characters<'_>) -> String {
    let mut literal = String::new();
    while let Some(character) = rest.next() {
        if character == '\\' && rest.next_if_eq(&'E').is_some() {
            break;
        }
        literal.push(character);
    }
    literal.chars().map(write_literal).collect()
}
