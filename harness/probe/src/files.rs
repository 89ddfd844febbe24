//! Serves the files of a folder, for those that look for a list of files under an address.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::thread;

use crate::web::SILENT_AT_MOST;

/// Answers each connection with the file that it asks for, or with 404, until the process ends.
pub(crate) fn serve_files(listener: &TcpListener, folder: &Path) {
    for stream in listener.incoming().flatten() {
        let folder = folder.to_owned();
        thread::spawn(move || reply_file(stream, &folder));
    }
}

fn reply_file(mut stream: TcpStream, folder: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENT_AT_MOST))?;
    stream.set_write_timeout(Some(SILENT_AT_MOST))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.by_ref().take(8192).read_line(&mut first)?;
    let mut line = String::new();
    while reader.by_ref().take(8192).read_line(&mut line)? > 2 {
        line.clear();
    }
    let target = first.split(' ').nth(1).unwrap_or_default();
    let found = file_below(folder, target).and_then(|path| std::fs::read(path).ok());
    let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}

/// The file that `target` names, if it lies below `folder`.
fn file_below(folder: &Path, target: &str) -> Option<PathBuf> {
    let path = Path::new(target.strip_prefix('/')?);
    path.components()
        .all(|part| matches!(part, Component::Normal(_)))
        .then(|| folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_path_and_nothing_else_is() {
        let folder = std::env::temp_dir().join(format!("probe-files-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("targets")).unwrap();
        std::fs::write(folder.join("targets/root.json"), "{}").unwrap();
        let listener = crate::web::listen_on(0).unwrap();
        let port = crate::web::parse_port(&listener);
        let served = folder.clone();
        thread::spawn(move || serve_files(&listener, &served));
        let get = |path: &str| crate::web::fetch_url(&format!("127.0.0.1:{port}/{path}"));
        assert_eq!(get("targets/root.json"), Ok(b"{}".to_vec()));
        assert!(
            get("targets/2.root.json")
                .unwrap_err()
                .ends_with("HTTP/1.1 404 Not Found")
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_path_does_not_leave_the_folder() {
        assert_eq!(
            file_below(Path::new("/f"), "/a/b"),
            Some(PathBuf::from("/f/a/b"))
        );
        assert_eq!(file_below(Path::new("/f"), "/../etc/passwd"), None);
        assert_eq!(file_below(Path::new("/f"), "//etc/passwd"), None);
        assert_eq!(file_below(Path::new("/f"), "a"), None);
    }
}
