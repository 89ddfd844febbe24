//! Where the reports go.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::args::RunArguments;
use crate::fault::CommandFault;
use crate::report::{RunReport, json, junit};
use crate::ui;

/// Whether the files that were asked for can be written, found out before anything starts.
pub(crate) fn check_writable(args: &RunArguments) -> Result<(), CommandFault> {
    let stdout = |path: &&std::path::PathBuf| path.as_os_str() == "-";
    let asked: Vec<_> = [&args.junit, &args.json].into_iter().flatten().collect();
    if asked.iter().filter(|path| stdout(path)).count() > 1 {
        return Err(
            CommandFault::usage("only one report can go to standard output")
                .hint("give the other a file"),
        );
    }
    if args.junit.is_some() && args.junit == args.json {
        return Err(
            CommandFault::usage("both reports would go to the same file").hint("name two files"),
        );
    }
    asked.into_iter().try_for_each(|path| check_file(path))
}

/// Whether a report can be written there; `-` is standard output.
pub(crate) fn check_file(path: &Path) -> Result<(), CommandFault> {
    if path.as_os_str() == "-" {
        return Ok(());
    }
    try_writing(path).map_err(|error| unwritable_fault(path).because_of(&error))
}

/// Opens it, and leaves everything as it was.
fn try_writing(path: &Path) -> io::Result<()> {
    let is_new = path.symlink_metadata().is_err();
    OpenOptions::new().append(true).create(true).open(path)?;
    if is_new {
        fs::remove_file(path)
    } else {
        Ok(())
    }
}

/// Writes a file whole, or leaves what was there. What is not a plain file, such as `/dev/stderr`,
/// is written to.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let is_plain = path
        .symlink_metadata()
        .map_or(true, |facts| facts.is_file());
    if !is_plain {
        return fs::write(path, text);
    }
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    // Others may read a report, as far as this process's umask lets them.
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map(drop).map_err(|late| late.error)
}

/// Writes them all, the one for people last. A file that cannot be written is a fault of the
/// report.
pub(crate) fn write_reports(args: &RunArguments, report: &mut RunReport, evidence: &Path) {
    if let Some(path) = &args.json {
        let text = format!("{:#}\n", json::report_json(report));
        write_file(path, &text, report);
    }
    if let Some(path) = &args.junit {
        match junit::junit_xml(report, evidence) {
            Ok(text) => write_file(path, &text, report),
            Err(error) => report
                .faults
                .push(CommandFault::machine("cannot write the JUnit report").because_of(&error)),
        }
    }
    super::print_report(
        &super::report_text(report, evidence, args.tables),
        args.takes_output(),
    );
}

fn write_file(path: &Path, text: &str, report: &mut RunReport) {
    report.faults.extend(write_text(path, text).err());
}

/// Writes a report whole; `-` is standard output.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), CommandFault> {
    if path.as_os_str() == "-" {
        ui::print_result(text);
        return Ok(());
    }
    write_whole(path, text).map_err(|error| unwritable_fault(path).because_of(&error))
}

fn unwritable_fault(path: &Path) -> CommandFault {
    CommandFault::machine(format!("cannot write `{}`", path.display()))
        .hint("name a file that can be written, or `-`")
}
