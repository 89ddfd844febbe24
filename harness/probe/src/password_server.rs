//! A door with passwords: each file of a folder holds one that is good, and is read afresh for
//! every visitor.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use crate::web::{self, SILENT_AT_MOST};

/// Answers `GET /PASSWORD` with 200 or 403, until the process ends.
pub(crate) fn serve_guard(listener: &TcpListener, folder: &Path) {
    for stream in listener.incoming().flatten() {
        let folder = folder.to_owned();
        thread::spawn(move || reply_to(stream, &folder));
    }
}

fn reply_to(mut stream: TcpStream, folder: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENT_AT_MOST))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.by_ref().take(8192).read_line(&mut first)?;
    let mut line = String::new();
    while reader.by_ref().take(8192).read_line(&mut line)? > 2 {
        line.clear();
    }
    let password = first
        .split(' ')
        .nth(1)
        .and_then(|target| target.strip_prefix('/'))
        .unwrap_or_default();
    let (status, body) = if is_good(folder, password) {
        ("200 OK", "welcome\n")
    } else {
        ("403 Forbidden", "no\n")
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn is_good(folder: &Path, password: &str) -> bool {
    let files = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    !password.is_empty()
        && files
            .filter_map(|path| fs::read_to_string(path).ok())
            .any(|good| good.trim() == password)
}

/// Goes to the door of a Service with the password in `$PASSWORD`, and prints the result. Its
/// address is in the variables that a kubelet makes for it.
pub(crate) fn knock_at(service: &str) -> Result<String, String> {
    let var = |name: &str| std::env::var(name).map_err(|_| format!("there is no ${name}"));
    let password = var("PASSWORD")?;
    let (host, port) = (
        var(&format!("{service}_SERVICE_HOST"))?,
        var(&format!("{service}_SERVICE_PORT"))?,
    );
    let target = format!("{host}:{port}");
    match web::fetch_url(&format!("{target}/{password}")) {
        Ok(_) => Ok("let in\n".into()),
        Err(why) if why.ends_with("403 Forbidden") => Ok("turned away\n".into()),
        Err(why) => Err(why.replace(&password, "…")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_password_of_the_folder_is_good() {
        let folder = std::env::temp_dir().join(format!("probe-guard-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("old"), "one\n").unwrap();
        fs::write(folder.join("new"), "two").unwrap();
        assert!(is_good(&folder, "one") && is_good(&folder, "two"));
        assert!(!is_good(&folder, "three") && !is_good(&folder, ""));
        let listener = web::listen_on(0).unwrap();
        let port = web::parse_port(&listener);
        let served = folder.clone();
        thread::spawn(move || serve_guard(&listener, &served));
        assert_eq!(
            web::fetch_url(&format!("127.0.0.1:{port}/two")),
            Ok(b"welcome\n".to_vec())
        );
        assert!(
            web::fetch_url(&format!("127.0.0.1:{port}/three"))
                .unwrap_err()
                .ends_with("403 Forbidden")
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
