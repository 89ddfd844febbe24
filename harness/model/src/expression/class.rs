//! A class in brackets.

use super::escape::{character_of, perl_class, unicode_class};
use super::{Characters, ExpressionFault, unfinished_error, write_literal};

/// The names of POSIX's classes that RE2 knows.
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// A class, from behind its bracket on. It holds characters, ranges of them, and classes that have
/// a name.
pub(super) fn translate_class(rest: &mut Characters<'_>) -> Result<String, ExpressionFault> {
    let mut out = "[".to_owned();
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut is_first = true;
    loop {
        match rest.peek() {
            None => return Err(unfinished_error("a class")),
            Some(']') if !is_first => {
                rest.next();
                out.push(']');
                return Ok(out);
            }
            Some(_) => out.push_str(&translate_item(rest)?),
        }
        is_first = false;
    }
}

fn translate_item(rest: &mut Characters<'_>) -> Result<String, ExpressionFault> {
    if let Some(named) = posix_class(rest)? {
        return Ok(named);
    }
    let mut ahead = rest.clone();
    if ahead.next() == Some('\\')
        && let Some(&character) = ahead.peek()
    {
        if let Some((inside, is_negated)) = perl_class(character) {
            rest.nth(1);
            let inside = inside.to_owned();
            return Ok(if is_negated {
                format!("[^{inside}]")
            } else {
                inside
            });
        }
        if matches!(character, 'p' | 'P') {
            rest.next();
            return unicode_class(rest);
        }
    }
    let low = class_character(rest)?;
    let mut ahead = rest.clone();
    if ahead.next() != Some('-') || matches!(ahead.next(), None | Some(']')) {
        return Ok(write_literal(low));
    }
    rest.next();
    let high = class_character(rest)?;
    if high < low {
        return Err(ExpressionFault::new(format!(
            "the range {low}-{high} is empty"
        )));
    }
    Ok(format!("{}-{}", write_literal(low), write_literal(high)))
}

fn class_character(rest: &mut Characters<'_>) -> Result<char, ExpressionFault> {
    match rest.next() {
        Some('\\') => character_of(rest),
        Some(character) => Ok(character),
        None => Err(unfinished_error("a class")),
    }
}

/// A class such as `[:alpha:]`, if one begins here.
fn posix_class(rest: &mut Characters<'_>) -> Result<Option<String>, ExpressionFault> {
    let ahead: String = rest.clone().collect();
    let Some((name, _)) = ahead
        .strip_prefix("[:")
        .and_then(|inside| inside.split_once(":]"))
    else {
        return Ok(None);
    };
    if !POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(ExpressionFault::unknown(format!("[:{name}:]")));
    }
    let named = format!("[:{name}:]");
    rest.by_ref().take(named.chars().count()).for_each(drop);
    Ok(Some(named))
}
