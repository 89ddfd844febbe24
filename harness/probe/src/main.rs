//! `probe` is the only program of the box's own image. It does on purpose very little, so that a
//! scenario's verdict depends on the control and not on the program: it waits, shows what a
//! container sees, serves, asks, and spoils what a registry answers.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose output is its answer"
)]

mod agent;
mod args;
mod converse;
mod dns;
mod faulty_proxy;
mod files;
mod listen;
mod password_server;
mod show;
mod tls;
mod wait;
mod web;
mod wire;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use probe_protocol::STAGE_TIMEOUT;

const USAGE_TEXT: &str = "probe [pause | cat FILE | ls DIR | tree DIR | id | env | environments | fail CODE | crash | \
                     serve PORT [DIR] | get HOST:PORT/PATH | guard PORT DIR | knock SERVICE | \
                     front --listen ADDRESS:PORT --upstream HOST:PORT | listen SCHEME:PORT[=ARGUMENT,…]… | \
                     reach [--timeout MS] TARGET… | \
                     reach --holds MS [--reached-holds MS] [--timeout MS] [--every MS] [--within MS] TARGET | \
                     watch [--every MS] [--timeout MS] [--for MS] TARGET | \
                     hold [--every MS] [--timeout MS] NAME TARGET | held NAME | converse | \
                     agent … | agent-state | agent-forge … | manager … | manager-state | emit …]";

/// The same for a connection that is kept: it is lost for good after that, so that a pause of the
/// machine must not count.
const KEPT_STAGE_WITHIN: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match run_command(&words) {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("probe: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Does one command; `Ok` holds the exit code it asks for.
fn run_command(words: &[&str]) -> Result<u8, String> {
    match words {
        [] | ["pause"] => wait::until_told().map(|()| 0),
        ["cat", file] => show::show_file(file).map(|text| print_answer(&text)),
        ["ls", dir] => show::show_folder(dir).map(|text| print_answer(text.as_bytes())),
        ["id"] => show::show_identity().map(|text| print_answer(text.as_bytes())),
        ["tree", dir] => show::show_tree(dir).map(|bytes| print_answer(&bytes)),
        ["env"] => Ok(print_answer(show::show_environment().as_bytes())),
        ["environments"] => show::show_environments().map(|bytes| print_answer(&bytes)),
        ["crash"] => Ok(print_answer(show::show_environment().as_bytes()).max(1)),
        ["fail", code] => code
            .parse()
            .map_err(|_| format!("`{code}` is not an exit code (0 to 255)")),
        ["serve", port] => serve_name(port, None).map(|()| 0),
        ["serve", port, dir] => serve_name(port, Some(dir)).map(|()| 0),
        ["front", "--listen", address, "--upstream", registry] => {
            run_front(address, registry).map(|()| 0)
        }
        ["get", target] => web::fetch_url(target).map(|body| print_answer(&body)),
        ["guard", port, dir] => run_guard(port, dir).map(|()| 0),
        ["listen", ports @ ..] if !ports.is_empty() => listen_at(ports).map(|()| 0),
        ["reach", rest @ ..] if !rest.is_empty() => {
            wire::reach_words(rest).map(|text| print_answer(text.as_bytes()))
        }
        ["watch", rest @ ..] if !rest.is_empty() => run_watch(rest).map(|()| 0),
        ["hold", wire::BEHIND_OPTION, name, target, every, patience] => {
            run_behind(name, target, every, patience).map(|()| 0)
        }
        ["hold", rest @ ..] if !rest.is_empty() => {
            run_hold(rest).map(|text| print_answer(text.as_bytes()))
        }
        ["converse"] => {
            converse::answer_all(std::io::stdin().lock(), std::io::stdout());
            Ok(0)
        }
        ["held", name] => wire::use_held(name).map(|report| print_answer(report.line().as_bytes())),
        ["knock", service] => {
            password_server::knock_at(service).map(|text| print_answer(text.as_bytes()))
        }
        [word, rest @ ..] if agent::AGENT_WORDS.contains(word) => {
            agent::run_agent_command(word, rest).map(|text| print_answer(text.as_bytes()))
        }
        _ => Err(format!("usage: {USAGE_TEXT}")),
    }
}

fn print_answer(bytes: &[u8]) -> u8 {
    use std::io::Write;
    u8::from(std::io::stdout().write_all(bytes).is_err())
}

fn serve_name(port: &str, dir: Option<&str>) -> Result<(), String> {
    let port: u16 = port
        .parse()
        .map_err(|_| format!("`{port}` is not a port (0 to 65535)"))?;
    let listener = web::listen_on(port)?;
    println!("serving on port {}", web::parse_port(&listener));
    let dir = dir.map(PathBuf::from);
    wait::while_serving(move || match &dir {
        Some(dir) => files::serve_files(&listener, dir),
        None => web::serve_name(&listener),
    })
}

fn listen_at(ports: &[&str]) -> Result<(), String> {
    wait::while_listening(|| {
        let numbers: Vec<String> = listen::start_listening(ports)?
            .iter()
            .map(u16::to_string)
            .collect();
        println!("listening on {}", numbers.join(", "));
        Ok(())
    })
}

fn run_watch(words: &[&str]) -> Result<(), String> {
    let minute = Duration::from_secs(60);
    let mut times = [
        ("--every", Duration::from_millis(10)),
        ("--timeout", STAGE_TIMEOUT),
        ("--for", minute),
    ];
    let [target] = args::take_times(words, &mut times)? else {
        return Err(format!("usage: {USAGE_TEXT}"));
    };
    let pace = wire::WatchPace {
        every: times[0].1,
        patience: times[1].1,
        lasting: times[2].1,
    };
    wire::watch_target(target, pace, |line| print!("{}", line.line()))
}

fn run_hold(words: &[&str]) -> Result<String, String> {
    let mut times = [
        ("--every", Duration::from_millis(100)),
        ("--timeout", KEPT_STAGE_WITHIN),
    ];
    let [name, target] = args::take_times(words, &mut times)? else {
        return Err(format!("usage: {USAGE_TEXT}"));
    };
    wire::hold_connection(name, target, times[0].1, times[1].1)
}

fn run_behind(name: &str, target: &str, every: &str, patience: &str) -> Result<(), String> {
    let mut times = [("--every", Duration::ZERO), ("--timeout", Duration::ZERO)];
    args::take_times(&["--every", every, "--timeout", patience], &mut times)?;
    wire::run_behind(name, target, times[0].1, times[1].1, |report| {
        print!("{}", report.line())
    })
}

fn run_guard(port: &str, dir: &str) -> Result<(), String> {
    let port: u16 = port
        .parse()
        .map_err(|_| format!("`{port}` is not a port (0 to 65535)"))?;
    let listener = web::listen_on(port)?;
    println!("guarding port {}", web::parse_port(&listener));
    let dir = PathBuf::from(dir);
    wait::while_serving(move || password_server::serve_guard(&listener, &dir))
}

fn run_front(address: &str, registry: &str) -> Result<(), String> {
    let listener = TcpListener::bind(address)
        .map_err(|why| format!("failed to listen on `{address}`: {why}"))?;
    println!("serving on port {}", web::parse_port(&listener));
    let registry = registry.to_owned();
    wait::while_serving_a_box(move || faulty_proxy::serve_front(&listener, &registry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fail_ends_with_the_code_it_was_given() {
        assert_eq!(run_command(&["fail", "42"]), Ok(42));
        assert_eq!(run_command(&["crash"]), Ok(1));
    }

    #[test]
    fn a_wrong_word_shows_the_usage() {
        for words in [
            &["dance"][..],
            &["cat"],
            &["fail", "1", "2"],
            &["reach"],
            &["listen"],
            &["hold", "a"],
        ] {
            assert_eq!(run_command(words), Err(format!("usage: {USAGE_TEXT}")));
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(run_command(&["fail", "256"]).is_err());
        assert!(run_command(&["serve", "65536"]).is_err());
        assert!(
            run_command(&[
                "front",
                "--listen",
                "127.0.0.1:65536",
                "--upstream",
                "127.0.0.1:1"
            ])
            .is_err()
        );
    }
}
