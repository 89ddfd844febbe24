//! Options of the form `--NAME VALUE`, in any order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Options that were given and not yet asked for.
#[derive(Debug)]
pub(super) struct CommandOptions(BTreeMap<String, String>);

impl CommandOptions {
    /// Reads `words`.
    pub(super) fn read(words: &[&str]) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        for pair in words.chunks(2) {
            let (Some(name), [_, value]) = (pair[0].strip_prefix("--"), pair) else {
                return Err(format!("`{}` is not `--NAME VALUE`", pair.join(" ")));
            };
            if all.insert(name.to_owned(), (*value).to_owned()).is_some() {
                return Err(format!("`--{name}` is given twice"));
            }
        }
        Ok(Self(all))
    }

    /// The text of an option.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// An option of some other type.
    pub(super) fn value<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        let parse = |text: String| {
            text.parse()
                .map_err(|_| format!("`--{name} {text}`: not a valid value"))
        };
        self.text(name).map(parse).transpose()
    }

    /// The same, with what holds where it is not given.
    pub(super) fn value_or<T: FromStr>(&mut self, name: &str, otherwise: T) -> Result<T, String> {
        Ok(self.value(name)?.unwrap_or(otherwise))
    }

    /// A time in seconds, perhaps with a fraction.
    pub(super) fn seconds(&mut self, name: &str, otherwise: Duration) -> Result<Duration, String> {
        let Some(text) = self.text(name) else {
            return Ok(otherwise);
        };
        let seconds = text
            .parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.ok_or_else(|| format!("`--{name} {text}`: that is not a time in seconds"))
    }

    /// `yes` or `no`.
    pub(super) fn flag(&mut self, name: &str, otherwise: bool) -> Result<bool, String> {
        match self.text(name).as_deref() {
            None => Ok(otherwise),
            Some("yes") => Ok(true),
            Some("no") => Ok(false),
            Some(other) => Err(format!("`--{name} {other}`: write yes or no")),
        }
    }

    /// The folder of everything that the program keeps.
    pub(super) fn dir(&mut self, otherwise: &str) -> PathBuf {
        self.text("dir")
            .unwrap_or_else(|| otherwise.to_owned())
            .into()
    }

    /// Checks that no unknown option is left.
    pub(super) fn check_end(self) -> Result<(), String> {
        self.0
            .into_keys()
            .next()
            .map_or(Ok(()), |name| Err(format!("there is no option `--{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_values_and_each_is_asked_for() {
        let mut options =
            CommandOptions::read(&["--a", "1", "--b", "0.5", "--c", "yes", "--d", "x"]).unwrap();
        assert_eq!(options.value_or("a", 2_u16), Ok(1));
        assert_eq!(options.value_or("missing", 2_u16), Ok(2));
        assert_eq!(
            options.seconds("b", Duration::ZERO),
            Ok(Duration::from_millis(500))
        );
        assert_eq!(options.flag("c", false), Ok(true));
        assert_eq!(
            options.check_end(),
            Err("there is no option `--d`".to_owned())
        );
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for words in [&["--a"][..], &["a", "b"], &["--a", "1", "--a", "2"]] {
            assert!(CommandOptions::read(words).is_err(), "{words:?}");
        }
        let mut options = CommandOptions::read(&["--a", "-1", "--b", "maybe"]).unwrap();
        assert!(options.seconds("a", Duration::ZERO).is_err() && options.flag("b", true).is_err());
    }
}
