use super::*;

/// A cache with one component whose files are a few bytes each.
fn cache_with_runtime(dir: &Path) -> BoxCache {
    let cache = BoxCache {
        root: dir.to_owned(),
    };
    put(&cache, crate::runtime_component());
    cache
}

fn put(cache: &BoxCache, component: &PinnedComponent) {
    let dir = cache.component_dir(component);
    for part in component.parts() {
        let path = dir.join(part_path(&part));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("I am {part}")).unwrap();
    }
    stamp::write_stamp(&dir, component).unwrap();
}

struct Trip {
    _dir: tempfile::TempDir,
    archive: PathBuf,
    from: BoxCache,
    to: BoxCache,
}

fn trip() -> Trip {
    let dir = tempfile::tempdir().unwrap();
    let from = cache_with_runtime(&dir.path().join("from"));
    let to = BoxCache {
        root: dir.path().join("to"),
    };
    Trip {
        archive: dir.path().join("components.tar.gz"),
        from,
        to,
        _dir: dir,
    }
}

/// The archive's entries, unpacked.
fn entries(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let mut tar = Archive::new(GzDecoder::new(File::open(archive).unwrap()));
    let entries = tar.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_string_lossy().into_owned(), bytes)
    });
    entries.collect()
}

fn pack(archive: &Path, entries: &[(String, Vec<u8>)]) {
    let mut tar = Builder::new(GzEncoder::new(
        File::create(archive).unwrap(),
        Compression::fast(),
    ));
    for (path, bytes) in entries {
        let mut header = tar_header(bytes.len() as u64, 0o755);
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}

/// Imports an archive whose entries were changed; it must be refused, and leave nothing.
fn refused(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> String {
    let trip = trip();
    trip.from.export_components(&trip.archive).unwrap();
    let mut entries = entries(&trip.archive);
    change(&mut entries);
    pack(&trip.archive, &entries);
    let error = trip.to.import_components(&trip.archive).unwrap_err();
    assert!(matches!(error, Error::Archive { .. }), "{error}");
    let left: Vec<_> = fs::read_dir(trip.to.components_folder())
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert_eq!(left, Vec::<PathBuf>::new());
    error.to_string()
}

#[test]
fn what_is_exported_can_be_imported() {
    let trip = trip();
    let runtime = crate::runtime_component();
    assert_eq!(
        trip.from.export_components(&trip.archive).unwrap(),
        [runtime.id()]
    );
    assert!(!trip.to.is_built(runtime));
    assert_eq!(
        trip.to.import_components(&trip.archive).unwrap(),
        [runtime.id()]
    );
    assert!(trip.to.is_built(runtime));
    assert_eq!(
        fs::read_to_string(trip.to.binary_path(runtime, "runc")).unwrap(),
        "I am runc"
    );
    assert_eq!(
        trip.to.import_components(&trip.archive).unwrap(),
        [runtime.id()]
    );
}

#[test]
fn data_goes_with_the_programs_and_is_no_program() {
    use std::os::unix::fs::PermissionsExt;
    let trip = trip();
    let kyverno = crate::find_titled("kyverno-1.19.1").unwrap();
    put(&trip.from, kyverno);
    trip.from.export_components(&trip.archive).unwrap();
    trip.to.import_components(&trip.archive).unwrap();
    let data = trip.to.data_path(kyverno, "install.yaml");
    assert_eq!(fs::read_to_string(&data).unwrap(), "I am data/install.yaml");
    assert_eq!(
        fs::metadata(&data).unwrap().permissions().mode() & 0o777,
        0o644
    );
    fs::remove_file(&data).unwrap();
    assert!(!trip.to.is_built(kyverno));
}

#[test]
fn a_changed_file_is_refused() {
    let why = refused(|entries| entries[3].1[0] ^= 1);
    assert!(why.contains("another SHA-256"), "{why}");
}

#[test]
fn a_longer_file_is_refused() {
    let why = refused(|entries| entries[3].1.extend([0; 100]));
    assert!(why.contains("another SHA-256"), "{why}");
}

#[test]
fn a_missing_file_and_one_too_many_are_refused() {
    let why = refused(|entries| drop(entries.pop()));
    assert!(why.contains("in its list and not in it"), "{why}");
    let why = refused(|entries| entries.push(("extra".into(), Vec::new())));
    assert!(why.contains("`extra` is not in its list"), "{why}");
}

#[test]
fn a_path_that_leaves_the_cache_is_refused() {
    let why = refused(|entries| entries[1].0 = "../../escaped".into());
    assert!(why.contains("is not in its list"), "{why}");
    let why = refused(|entries| {
        let list = String::from_utf8(entries[0].1.clone()).unwrap();
        entries[0].1 = list
            .replace("\"runc\"", "\"../../../escaped\"")
            .into_bytes();
    });
    assert!(why.contains("does not consist of"), "{why}");
}

#[test]
fn a_component_that_is_not_pinned_is_refused() {
    let why = refused(|entries| {
        let list = String::from_utf8(entries[0].1.clone()).unwrap();
        entries[0].1 = list.replace("runtime-2.4.2", "runtime-9.9.9").into_bytes();
    });
    assert!(why.contains("is not pinned"), "{why}");
}

#[test]
fn what_is_no_archive_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cache = BoxCache {
        root: dir.path().join("cache"),
    };
    for text in ["", "not gzip", "\u{1f}\u{8b}"] {
        let archive = dir.path().join("archive");
        fs::write(&archive, text).unwrap();
        assert!(
            matches!(
                cache.import_components(&archive),
                Err(Error::Archive { .. })
            ),
            "{text:?}"
        );
    }
    assert!(matches!(
        cache.import_components(&dir.path().join("none")),
        Err(Error::File { .. })
    ));
}
