//! Starts a box, runs a command with `KUBECONFIG` set, and takes the box down.
//!
//! ```sh
//! cargo run --release -p native --example box -- [--name NAME] [--nodes N] [--kubernetes RELEASE] COMMAND…
//! ```

use std::process::{Command, ExitCode};
use std::time::Instant;

use native::{BoxShape, Cache, Error, Progress, Spec};

fn main() -> ExitCode {
    if let Some(code) = native::hidden_main(std::env::args_os()) {
        return code;
    }
    match run() {
        Ok(code) => code,
        Err(error) => {
            let mut text = error.to_string();
            let mut next = std::error::Error::source(&error);
            while let Some(source) = next {
                text = format!("{text}: {source}");
                next = source.source();
            }
            say(&format!("error: {text}\n{}", error.hint().map(|hint| format!("hint: {hint}")).unwrap_or_default()));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Error> {
    let launcher =
        std::env::current_exe().map_err(|source| Error::System { doing: "find this program".into(), source })?;
    let mut spec = Spec { name: "example".into(), shape: BoxShape::default(), launcher };
    let mut words = std::env::args().skip(1).peekable();
    while let Some(option) = words.next_if(|word| word.starts_with("--")) {
        let value = words.next().unwrap_or_default();
        match option.as_str() {
            "--name" => spec.name = value,
            "--nodes" => spec.shape.nodes = value.parse().unwrap_or(1),
            _ => spec.shape.kubernetes = value,
        }
    }
    let start = Instant::now();
    let cache = Cache::from_env()?;
    let running = native::start(&cache, &spec, true, &mut |progress| match progress {
        Progress::Milestone { name, at } => say(&format!("{:>6} ms: {name}", at.as_millis())),
        other => say(&format!("{:>6} ms  {other:?}", start.elapsed().as_millis())),
    })?;
    let code = match words.next() {
        None => ExitCode::SUCCESS,
        Some(program) => {
            let kubectl = cache.component_dir(native::components::kubernetes(&spec.shape.kubernetes)?).join("bin");
            let path = format!("{}:{}", kubectl.display(), std::env::var("PATH").unwrap_or_default());
            let mut command = Command::new(program);
            command.args(words).env("KUBECONFIG", &running.kubeconfig).env("PATH", path);
            let status = command.status().map_err(|source| Error::System { doing: "run it".into(), source })?;
            if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    };
    for (name, at) in running.milestones().into_iter().filter(|(name, _)| name == "readyz") {
        say(&format!("{:>6} ms: {name}", at.as_millis()));
    }
    for death in running.deaths() {
        say(&format!("{} died: {}\n{}", death.process, death.status, death.tail));
    }
    let ending = Instant::now();
    running.down()?;
    say(&format!("down in {} ms", ending.elapsed().as_millis()));
    Ok(code)
}

#[expect(clippy::print_stderr, reason = "an example speaks to a person")]
fn say(text: &str) {
    eprintln!("{text}");
}
