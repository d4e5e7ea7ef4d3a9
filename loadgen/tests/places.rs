//! Where scripts find the programs, and what numbers they print, wherever cargo builds and whatever the locale is.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::finish;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A script of this tree, with no other folders than those that cargo says.
fn script(name: &str) -> Command {
    let mut command = Command::new(root().join("scripts").join(name));
    command.env_remove("WIRELAB_PROGRAMS").env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET");
    command
}

/// Writes a program of `sh`.
fn write_program(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Programs in `folder` that say their own paths and do nothing.
fn write_programs(folder: &Path) {
    for name in ["loadgen", "report", "feed-server"] {
        write_program(&folder.join(name), "echo \"started $0\"");
    }
}

#[test]
fn programs_are_where_the_environment_tells_cargo_to_build() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a folder, \"höher\" \\ up");
    for (word, expected) in [("--target", target.clone()), ("--debug", target.join("debug"))] {
        let (code, stdout, stderr) = finish(script("programs.sh").arg(word).env("CARGO_TARGET_DIR", &target));
        assert_eq!((code, stdout.trim_end()), (0, expected.to_str().unwrap()), "{word}: {stderr}");
    }
}

#[test]
fn programs_are_where_the_configuration_tells_cargo_to_build() {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("built here");
    std::fs::write(home.path().join("config.toml"), format!("[build]\ntarget-dir = {target:?}\n")).unwrap();
    let (code, stdout, stderr) = finish(script("programs.sh").env("CARGO_HOME", home.path()));
    assert_eq!((code, stdout.trim_end()), (0, target.join("release").to_str().unwrap()), "{stderr}");
}

#[test]
fn programs_of_a_named_platform_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let platform = folder.path().join("riscv64gc-unknown-linux-gnu/release");
    let named = |command: &mut Command| finish(command.env("CARGO_TARGET_DIR", folder.path()));
    let (code, stdout, _) = named(script("programs.sh").env("CARGO_BUILD_TARGET", "riscv64gc-unknown-linux-gnu"));
    assert_eq!((code, stdout.trim_end()), (0, platform.to_str().unwrap()), "the environment names the platform");
    write_programs(&platform);
    let (code, stdout, _) = named(&mut script("programs.sh"));
    assert_eq!((code, stdout.trim_end()), (0, platform.to_str().unwrap()), "cargo's configuration names the platform");
}

#[test]
fn the_report_takes_its_programs_from_where_cargo_builds_and_writes_only_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write_programs(&folder.path().join("release"));
    let runs = folder.path().join("the runs");
    let page = folder.path().join("the page");
    // Neither is written by these programs, and both are told at the end.
    for made in [&runs, &page] {
        std::fs::create_dir(made).unwrap();
    }
    let (code, stdout, stderr) = finish(
        script("report.sh")
            .env("CARGO_TARGET_DIR", folder.path())
            .env("WIRELAB_RUNS", &runs)
            .env("WIRELAB_REPORT", &page),
    );
    assert_eq!(code, 0, "{stdout}{stderr}");
    let started = format!("started {}", folder.path().join("release/loadgen").display());
    assert_eq!(stdout.lines().next(), Some(started.as_str()), "{stdout}");
    assert!(stdout.contains(&format!("report: {}/index.html\n", page.display())), "{stdout}");
    assert!(stdout.contains(&format!("runs:   {}/", runs.display())), "{stdout}");
}

#[test]
fn the_suite_runs_programs_in_folders_with_spaces_and_counts_their_seconds_in_any_locale() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("höher up");
    let program = target.join("some test");
    write_program(&program, "sleep 0.2; pwd; echo 'a claim ... ok'");
    let locales = folder.path().join("locales");
    let locale = make_german(&locales).map(|()| "de_DE.UTF-8").unwrap_or_else(|reason| {
        let test = "the_suite_runs_programs_in_folders_with_spaces_and_counts_their_seconds_in_any_locale (in German)";
        support::skip::skipped(test, &reason);
        "C"
    });
    std::fs::create_dir_all(target.join("suite")).unwrap();
    std::fs::write(target.join("suite/no-doctests"), "").unwrap();
    let line = format!("slow\t{0}\t{1}\n", target.display(), program.display());
    std::fs::write(target.join("suite/programs"), line).unwrap();
    let log = folder.path().join("the log");
    let mut command = script("suite.sh");
    command.arg("--log").arg(&log).env("CARGO_TARGET_DIR", &target).env("LOCPATH", &locales).env("LC_ALL", locale);
    let (code, stdout, stderr) = finish(&mut command);
    assert_eq!((code, stdout.lines().last()), (0, Some("1 passed, 0 failed, 0 skipped")), "{stdout}{stderr}");
    assert!(stdout.lines().any(|line| line.trim().starts_with("0.") && line.ends_with("  slow")), "{stdout}{stderr}");
    assert_eq!(stderr, "");
}

#[test]
fn other_programs_than_tests_are_counted_and_named_as_tests_are() {
    let folder = tempfile::tempdir().unwrap();
    let chore = folder.path().join("a chore");
    let text = r#"case $1 in
        fine) echo 'test fine ... ok' ;;
        absent) echo 'absent: no such thing here' >> "$WIRELAB_SKIPS" ;;
        wrong) exit 1 ;;
        late) sleep 60 ;;
    esac"#;
    write_program(&chore, text);
    let words = ["fine", "absent", "wrong", "late"];
    let lines: String =
        words.map(|word| format!("{word}\t{0}\t{1}\t{word}\n", folder.path().display(), chore.display())).concat();
    let programs = folder.path().join("chores");
    std::fs::write(&programs, lines).unwrap();
    let mut command = script("suite.sh");
    command.arg("--programs").arg(&programs).args(["--jobs", "4", "--bound", "1", "--log"]);
    command.arg(folder.path().join("log")).env("CARGO_TARGET_DIR", folder.path());
    let (code, stdout, stderr) = finish(&mut command);
    assert_eq!((code, stdout.lines().last()), (1, Some("1 passed, 2 failed, 1 skipped")), "{stdout}{stderr}");
    for line in [
        "SKIPPED absent: no such thing here",
        "FAILED wrong: the program ended with 1",
        "FAILED late: the program ended with 124",
    ] {
        assert!(stdout.lines().any(|told| told == line), "{line}: {stdout}");
    }
}

/// Compiles the locale whose decimal point is a comma into `folder`, or says why that cannot be done.
fn make_german(folder: &Path) -> Result<(), String> {
    std::fs::create_dir(folder).unwrap();
    let need = script("need.sh").args(["locale-gen", "locales"]).output().unwrap();
    if !need.status.success() {
        return Err(String::from_utf8_lossy(&need.stderr).into_owned());
    }
    let mut localedef = Command::new("localedef");
    localedef.args(["-i", "de_DE", "-f", "UTF-8"]).arg(folder.join("de_DE.UTF-8"));
    let made = localedef.output().map_err(|error| format!("localedef cannot be started: {error}"))?;
    // It tells what it doubts with code 1, and writes the locale all the same.
    match folder.join("de_DE.UTF-8/LC_NUMERIC").is_file() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&made.stderr).into_owned()),
    }
}

#[test]
fn every_script_prints_and_reads_numbers_in_the_same_locale() {
    let shells = scripts("", "sh");
    assert!(shells.len() > 20, "{shells:?}");
    for path in shells {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\nexport LC_ALL=C\n"), "{}: expected `export LC_ALL=C` near the top", path.display());
    }
}

#[test]
fn no_script_names_a_folder_that_cargo_builds_into() {
    let python = ["", "abuse", "bench"].into_iter().flat_map(|folder| scripts(folder, "py"));
    let all: Vec<_> = scripts("", "sh").into_iter().chain(python).collect();
    assert!(all.len() > 40, "{all:?}");
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        let named = text.lines().find(|line| ["target/release", "target/debug"].iter().any(|name| line.contains(name)));
        assert_eq!(named, None, "{}: expected scripts/programs.sh to say where cargo builds", path.display());
    }
}

/// The files in a folder of `scripts` whose names end so.
fn scripts(folder: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("scripts").join(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|own| own == end)).collect()
}
