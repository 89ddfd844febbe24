//! What changed, as `git` tells it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exit::ExitReason;
use crate::fault::CommandFault;

/// The top folder of the repository that `dir` is in.
pub(crate) fn repository_top(dir: &Path) -> Result<PathBuf, CommandFault> {
    let answer = ask_git(dir, &["rev-parse", "--show-toplevel"])?;
    answer.map(|text| PathBuf::from(text.trim_end_matches('\n'))).map_err(|why| {
        CommandFault::usage(format!("`{}` is not in a git repository that can be read", dir.display()))
            .caused_by(why.0)
            .hint("`--changed` compares with a revision of one; leave it out to choose from all scenarios")
    })
}

/// Every path that is not as it was where `revision` and `HEAD` parted, from the top folder on:
/// committed, staged, only in the working tree, or untracked. Of a file that was moved there are
/// both paths.
pub(crate) fn changed_paths(top: &Path, revision: &str) -> Result<Vec<String>, CommandFault> {
    let commit = format!("{revision}^{{commit}}");
    let commit = ask_git(
        top,
        &[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &commit,
        ],
    )?
    .map_err(|why| {
        CommandFault::usage(format!(
            "`{revision}` is not a revision of `{}`",
            top.display()
        ))
        .caused_by(why.0)
        .hint("name a commit, a branch or a tag that this clone has, such as `HEAD~1`")
    })?;
    let base = ask_git(top, &["merge-base", commit.trim(), "HEAD"])?.map_err(|why| {
        CommandFault::usage(format!("`{revision}` and `HEAD` have no commit in common"))
            .caused_by(why.0)
            .hint("a clone without its history has none; `git fetch --unshallow` gets it")
    })?;
    let differs = [
        "diff",
        "--name-only",
        "--no-renames",
        "--no-ext-diff",
        "-z",
        base.trim(),
        "--",
    ];
    let untracked = ["ls-files", "--others", "--exclude-standard", "-z"];
    let mut paths = Vec::new();
    for question in [&differs[..], &untracked[..]] {
        let answer = ask_git(top, question)?;
        let answer = answer.map_err(|why| {
            CommandFault::machine("git cannot tell what changed").caused_by(why.0)
        })?;
        paths.extend(
            answer
                .split('\0')
                .filter(|path| !path.is_empty())
                .map(str::to_owned),
        );
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// What git says is wrong with what it was asked.
#[derive(Debug)]
struct GitRefusal(String);

/// What git answers; the outer fault is that it cannot be asked.
fn ask_git(dir: &Path, question: &[&str]) -> Result<Result<String, GitRefusal>, CommandFault> {
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(dir)
        .args(question)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C");
    let output = git.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => CommandFault::new(
            ExitReason::Machine,
            "the program `git` is not found, and `--changed` asks it",
        )
        .hint("install git, or leave `--changed` out"),
        _ => CommandFault::machine("`git` cannot be started").because_of(&error),
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(GitRefusal(text(&output.stderr).trim().to_owned()))
    })
}
