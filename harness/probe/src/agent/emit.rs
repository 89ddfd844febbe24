//! `emit SOURCE --events N [--rate N] [--to FILE] [--stay no]`: writes lines that can be counted, as
//! an application that logs.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use ::agent::{EventMark, StopSignal};

use super::CommandOptions;
use crate::wait;

/// Writes the lines, then stays until SIGTERM or SIGINT, unless it is to end.
pub(super) fn run_emit(words: &[&str]) -> Result<String, String> {
    let [source, rest @ ..] = words else {
        return Err("whose lines? `emit SOURCE --events N`".into());
    };
    let mut options = CommandOptions::read(rest)?;
    let (events, rate) = (
        options.value_or("events", 1_u64)?,
        options.value_or("rate", 0.0_f64)?,
    );
    let (to, stays) = (options.text("to"), options.flag("stay", true)?);
    options.check_end()?;
    let source = (*source).to_owned();
    let mut out: Box<dyn Write + Send> = match &to {
        Some(path) => {
            let file = OpenOptions::new().append(true).create(true).open(path);
            Box::new(file.map_err(|why| format!("failed to open `{path}`: {why}"))?)
        }
        None => Box::new(io::stdout()),
    };
    if !stays {
        return write_lines(&mut out, &source, events, rate)
            .map(|()| String::new())
            .map_err(|why| format!("failed to write a line: {why}"));
    }
    wait::while_listening(move || {
        thread::spawn(move || {
            if let Err(why) = write_lines(&mut out, &source, events, rate) {
                eprintln!("probe: failed to write a line: {why}");
            }
        });
        Ok(())
    })?;
    Ok(String::new())
}

fn write_lines(out: &mut impl Write, source: &str, events: u64, rate: f64) -> io::Result<()> {
    let (start, pause) = (Instant::now(), StopSignal::default());
    for number in 1..=events {
        if rate > 0.0 {
            pause.stopped_until(start + Duration::from_secs_f64((number - 1) as f64 / rate));
        }
        writeln!(
            out,
            "{}",
            EventMark {
                source: source.to_owned(),
                number
            }
        )?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_number() {
        let mut out = Vec::new();
        write_lines(&mut out, "app", 2, 0.0).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "gauntlet-event app 1\ngauntlet-event app 2\n"
        );
    }
}
