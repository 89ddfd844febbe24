//! Scratch folders of scenarios, and the binary.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The binary under test.
pub(crate) const GAUNTLET: &str = env!("CARGO_BIN_EXE_gauntlet");

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// The exit status, and texts that have to be in what was printed to standard error, in this
    /// order.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, texts: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self.says_in_order(&self.err, texts);
        self
    }

    /// The same for standard output, of a command that passed.
    #[track_caller]
    pub(crate) fn passes(&self, texts: &[&str]) -> &Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.says_in_order(&self.out, texts);
        self
    }

    #[track_caller]
    pub(crate) fn says_in_order(&self, whole: &str, texts: &[&str]) {
        let mut rest = whole;
        for text in texts {
            let found = rest.find(text);
            assert!(found.is_some(), "`{text}` is not in\n{rest}\nof {self:#?}");
            rest = &rest[found.unwrap_or_default() + text.len()..];
        }
    }
}

/// A folder with scenarios, golden outcomes and an empty cache.
pub(crate) struct Scratch {
    folder: TempDir,
}

/// A control that works: the label of the namespace.
pub(crate) const PRIVILEGED: &str = "\
scenario: v2
why: A privileged container owns its node; the label of the namespace has to turn it away. And more.
cluster: { nodes: 0 }
worlds:
  bare: {}
  enforce: { apply: [namespace.yaml] }
steps:
  - id: privileged-pod
    do: { create: pod.yaml }
    expect-in: { bare: admitted, enforce: { denied: { by: pod-security } } }
  - id: config-map
    do: { create: map.yaml }
    expect: admitted
leaves-out:
  ephemeral-container: one pod is enough for a test
  init-container: one pod is enough for a test
  pod-changed: one pod is enough for a test
  workload: one pod is enough for a test
";

const NAMESPACE: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: $(namespace)
  labels: { pod-security.kubernetes.io/enforce: baseline }
";

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: { name: privileged }
spec:
  schedulingGates: [{ name: gauntlet.dev/hold }]
  containers: [{ name: main, image: $(image:probe), securityContext: { privileged: true } }]
";

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: plain }\n";

impl Scratch {
    pub(crate) fn new() -> Self {
        let scratch = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for name in ["scenarios", "cache"] {
            fs::create_dir(scratch.path(name)).unwrap();
        }
        scratch
    }

    /// A folder with the scenario of [`PRIVILEGED`].
    pub(crate) fn privileged() -> Self {
        let scratch = Self::new();
        scratch.write("pod-security/privileged", PRIVILEGED);
        scratch
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the scenario `pod-security/privileged`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path("scenarios/pod-security/privileged").join(name)
    }

    /// A scenario with this text, and manifests for a namespace, a privileged pod and a ConfigMap
    /// beside it.
    pub(crate) fn write(&self, id: &str, text: &str) {
        let dir = self.path("scenarios").join(id);
        fs::create_dir_all(&dir).unwrap();
        for (name, text) in [
            ("scenario.yaml", text),
            ("namespace.yaml", NAMESPACE),
            ("pod.yaml", POD),
            ("map.yaml", MAP),
        ] {
            fs::write(dir.join(name), text).unwrap();
        }
    }

    /// The binary, with an empty cache and in this folder.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(GAUNTLET);
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("GAUNTLET_CACHE", self.path("cache"));
        command
    }

    pub(crate) fn gauntlet(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    /// Nothing was left behind: the cache is as empty as it was, and there is no golden file.
    #[track_caller]
    pub(crate) fn is_untouched(&self) {
        assert_eq!(names(&self.path("cache")), Vec::<String>::new());
        assert!(!self.path("golden").exists());
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Whether tests on boxes can be tried: with the rights of root, and with what the README's first
/// command builds.
pub(crate) fn can_start_boxes(test: &str) -> bool {
    let root = is_root(test);
    if root {
        let cache = native::BoxCache::from_env().unwrap();
        let built = native::needs_nothing_built(&cache, &model::ClusterSpec::default());
        built.unwrap_or_else(|error| panic!("{test}: {error}"));
    }
    root
}

/// Whether tests that need the rights of root can be tried; says so where they cannot.
pub(crate) fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("{test}: skipped, needs root");
    }
    root
}
