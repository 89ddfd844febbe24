//! Where the reports go.

use std::fs::OpenOptions;
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
    for path in asked.into_iter().filter(|path| !stdout(path)) {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| unwritable_fault(path).because_of(&error))?;
    }
    Ok(())
}

/// Writes them all, the one for people last. A file that cannot be written is a fault of the
/// report.
pub(crate) fn write_reports(args: &RunArguments, report: &mut RunReport, evidence: &Path) {
    if let Some(path) = &args.json {
        let text = format!("{:#}\n", json::report_json(report));
        write_file(path, &text, report);
    }
    if let Some(path) = &args.junit {
        match junit::junit_xml(report) {
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
    if path.as_os_str() == "-" {
        ui::print_result(text);
    } else if let Err(error) = std::fs::write(path, text) {
        report
            .faults
            .push(unwritable_fault(path).because_of(&error));
    }
}

fn unwritable_fault(path: &Path) -> CommandFault {
    CommandFault::machine(format!("cannot write `{}`", path.display()))
        .hint("name a file that can be written, or `-`")
}
