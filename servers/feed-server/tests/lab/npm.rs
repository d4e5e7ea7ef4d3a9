//! Programs of others that npm sets up, in the place where builds go, so that the sources stay as they are.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Installs what stands in `sources`, a folder beside the tests, under the name `place`; says why, where that cannot be.
pub(crate) fn set_up(sources: &str, place: &str) -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(sources);
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(place);
    std::fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    for file in ["package.json", "package-lock.json", ".npmrc", "client.mjs"] {
        std::fs::copy(sources.join(file), place.join(file)).map_err(|error| format!("{file}: {error}"))?;
    }
    run(Command::new("node").arg("--version"))?;
    run(Command::new("npm").args(["ci", "--ignore-scripts"]).current_dir(&place))?;
    Ok(place)
}

/// Runs a command to its end; what it said is an error, where it failed.
pub(crate) fn run(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} cannot be run: {error}"))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!(
            "{name} failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
