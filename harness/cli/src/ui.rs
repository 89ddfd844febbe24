//! The only place that writes to the terminal. A reader that goes away (`gauntlet list | head`) is
//! not a fault; a disk that is full is, and is reported once, at the end.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use crate::exit::ExitReason;
use crate::fault::CommandFault;

/// Why standard output could not be written, the first time.
static LOST_OUTPUT: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a result to standard output, with a final newline.
pub(crate) fn print_result(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| {
        if text.ends_with('\n') {
            out.flush()
        } else {
            out.write_all(b"\n").and_then(|()| out.flush())
        }
    });
    note_written(written);
}

/// Writes a remark, progress or an error to standard error, with a final newline.
pub(crate) fn print_note(text: &str) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{}", text.trim_end_matches('\n'));
}

/// Prints a fault: the fact, what lies behind it, a blank line, the way out.
pub(crate) fn print_fault(fault: &CommandFault) {
    print_note(&fault.text());
}

/// Whether standard error is a terminal that can redraw lines.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether a question can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question; only a clear yes is one.
pub(crate) fn ask_yes(question: &str) -> bool {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// The exit for a run that came to `exit`, now that everything was written.
pub(crate) fn finish_run(exit: ExitReason) -> ExitReason {
    let lost = LOST_OUTPUT.lock().map_or(None, |mut lost| lost.take());
    match lost {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            print_fault(
                &CommandFault::machine("cannot write to standard output").because_of(&error),
            );
            ExitReason::worst([exit, ExitReason::Machine])
        }
        _ => exit,
    }
}

fn note_written(written: io::Result<()>) {
    if let (Err(error), Ok(mut lost)) = (written, LOST_OUTPUT.lock()) {
        lost.get_or_insert(error);
    }
}
