//! Files that are read while they are written again.

use std::fs;
use std::io;
use std::path::Path;

/// Puts `text` in place of what the file holds, in one step: a reader finds the old or the new.
pub(crate) fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agents");
        for text in ["one\n", "two\n"] {
            replace_file(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
