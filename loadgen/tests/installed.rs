//! Programs that were installed: loadgen finds the server beside itself, then on the PATH, or says what to type.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{WIDE_BOUNDS, assert_valid, finish, place, sibling};
use tempfile::TempDir;

/// loadgen in a folder of its own, with nothing beside it, and an empty folder that is all of the PATH.
struct Installed {
    folder: TempDir,
}

impl Installed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["beside", "on the path"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let this = Self { folder };
        place(Path::new(env!("CARGO_BIN_EXE_loadgen")), &this.path("beside/loadgen"));
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A short run with nothing in its environment but the PATH, as far from the sources as it gets.
    fn run(&self) -> (i32, String, String) {
        let mut command = Command::new(self.path("beside/loadgen"));
        command.args([
            "run",
            "--transport",
            "ws",
            "--clients",
            "2",
            "--rate",
            "4",
            "--settle",
            "0s",
            "--warmup",
            "200ms",
        ]);
        command.args(["--duration", "1s", "--out"]).arg(self.path("run")).args(WIDE_BOUNDS);
        finish(command.env_clear().env("PATH", self.path("on the path")).current_dir("/"))
    }

    fn write_program(&self, name: &str, text: &str, mode: u32) {
        std::fs::write(self.path(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn without_a_server_it_says_what_to_type() {
    let installed = Installed::new();
    let (code, stdout, stderr) = installed.run();
    let folder = installed.path("beside").canonicalize().unwrap();
    let expected = format!(
        "error: no feed-server in {} or on the PATH: type `cargo install --path servers/feed-server` in Wirelab's folder, or name a \
         server with --url\n",
        folder.display()
    );
    assert_eq!((code, stderr.as_str()), (1, expected.as_str()), "{stdout}");
}

#[test]
fn the_server_is_found_on_the_path_past_files_that_are_no_programs() {
    let installed = Installed::new();
    installed.write_program("beside/feed-server", "not a program", 0o644);
    place(Path::new(sibling("feed-server").get_program()), &installed.path("on the path/feed-server"));
    let (code, stdout, stderr) = installed.run();
    assert_valid(code, &installed.path("run"), &format!("{stdout}{stderr}"));
}

#[test]
fn the_server_beside_it_comes_before_one_on_the_path() {
    let installed = Installed::new();
    installed.write_program("on the path/feed-server", "echo 'error: the wrong server' >&2; exit 1", 0o755);
    place(Path::new(sibling("feed-server").get_program()), &installed.path("beside/feed-server"));
    let (code, stdout, stderr) = installed.run();
    assert_valid(code, &installed.path("run"), &format!("{stdout}{stderr}"));
}
