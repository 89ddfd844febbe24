//! Options before the words of a command: `--NAME NUMBER`.

use std::time::Duration;

/// Takes `--NAME MILLISECONDS` pairs off the front of `words`, into the times of the same names.
///
/// # Errors
/// An option of another name, or one without a number.
pub(crate) fn take_times<'a, 'w>(
    mut words: &'w [&'a str],
    times: &mut [(&str, Duration)],
) -> Result<&'w [&'a str], String> {
    while let [option, rest @ ..] = words
        && option.starts_with("--")
    {
        let known = times.iter_mut().find(|(name, _)| name == option);
        let (_, time) = known.ok_or_else(|| format!("there is no option `{option}`"))?;
        let [number, rest @ ..] = rest else {
            return Err(format!("`{option}` needs milliseconds"));
        };
        let number = number
            .parse::<u32>()
            .map_err(|_| format!("`{option} {number}`: that is not milliseconds"))?;
        *time = Duration::from_millis(number.into());
        words = rest;
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn options_come_before_words() {
        let mut known = [
            ("--every", Duration::ZERO),
            ("--timeout", Duration::from_secs(1)),
        ];
        let words = ["--every", "20", "a", "--timeout", "3"];
        assert_eq!(
            take_times(&words, &mut known),
            Ok(&["a", "--timeout", "3"][..])
        );
        assert_eq!(known[0].1, Duration::from_millis(20));
        assert_eq!(known[1].1, Duration::from_secs(1));
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for words in [
            &["--never", "1"][..],
            &["--every"],
            &["--every", "-1"],
            &["--every", "4294967296"],
        ] {
            assert!(
                take_times(words, &mut [("--every", Duration::ZERO)]).is_err(),
                "{words:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_words_make_it_panic(words in proptest::collection::vec("(--every)|(--)|[0-9]{0,12}|\\PC{0,9}", 0..6)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let _ = take_times(&words, &mut [("--every", Duration::ZERO)]);
        }
    }
}
