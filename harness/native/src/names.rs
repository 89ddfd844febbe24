//! Names: of boxes, and what is derived from them.

pub(crate) use components::digest::{sha256_hex, to_hex};

use crate::Error;

/// Refuses what could not be part of a path, a cgroup or a host name.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let good = (1..=40).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if good {
        Ok(())
    } else {
        Err(Error::BadName(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "-a",
            "a-",
            "A",
            "a b",
            "a.lock",
            &"a".repeat(41),
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        for good in ["a", "run-1f3", "0", &"a".repeat(40)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
    }
}
