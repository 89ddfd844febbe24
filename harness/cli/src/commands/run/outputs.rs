//! Where the reports go.

use std::fs::OpenOptions;
use std::path::Path;

use crate::args::Run;
use crate::fault::Fault;
use crate::report::{Report, json, junit};
use crate::ui;

/// Whether the files that were asked for can be written, found out before anything starts.
pub(crate) fn check(args: &Run) -> Result<(), Fault> {
    let stdout = |path: &&std::path::PathBuf| path.as_os_str() == "-";
    let asked: Vec<_> = [&args.junit, &args.json].into_iter().flatten().collect();
    if asked.iter().filter(|path| stdout(path)).count() > 1 {
        return Err(
            Fault::usage("only one report can go to standard output").hint("give the other a file")
        );
    }
    for path in asked.into_iter().filter(|path| !stdout(path)) {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| unwritable(path).because(&error))?;
    }
    Ok(())
}

/// Writes them all, the one for people last. A file that cannot be written is a fault of the report.
pub(crate) fn write(args: &Run, report: &mut Report, evidence: &Path) {
    if let Some(path) = &args.json {
        let text = format!("{:#}\n", json::value(report));
        put(path, &text, report);
    }
    if let Some(path) = &args.junit {
        match junit::xml(report) {
            Ok(text) => put(path, &text, report),
            Err(why) => report.faults.push(Fault::machine(format!(
                "cannot write the JUnit report: {why}"
            ))),
        }
    }
    super::print(
        &super::text(report, evidence, args.tables),
        args.takes_output(),
    );
}

fn put(path: &Path, text: &str, report: &mut Report) {
    if path.as_os_str() == "-" {
        ui::say(text);
    } else if let Err(error) = std::fs::write(path, text) {
        report.faults.push(unwritable(path).because(&error));
    }
}

fn unwritable(path: &Path) -> Fault {
    Fault::machine(format!("cannot write `{}`", path.display()))
        .hint("name a file that can be written, or `-`")
}
