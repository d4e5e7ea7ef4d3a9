//! Files that other programs may look at, at any instant: whole or not there, or grown by whole lines.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the name of a file begins with while it is written.
pub const PARTIAL: &str = ".partial.";

/// Writes a file whole: under a temporary name in the same folder, then renamed, so that at any instant there is what was there before or
/// all of `bytes`. An error leaves what was there before, and nothing else. What is no regular file, such as a pipe, is written to as it is.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_through(path, |path| {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        // Some file systems tell only now that there is no room.
        if file.metadata()?.is_file() { file.sync_all() } else { Ok(()) }
    })
}

/// The same by `write`, which is given the path to write to; it ends in what `path` ends in.
pub fn write_through<E: From<io::Error>>(path: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    if fs::metadata(path).is_ok_and(|known| !known.is_file()) {
        return write(path);
    }
    // A symbolic link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let partial = partial(&path);
    let written = write(&partial).and_then(|()| Ok(fs::rename(&partial, &path)?));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

/// Where a file is written to until it is whole.
pub fn partial(path: &Path) -> PathBuf {
    let mut name = OsString::from(PARTIAL);
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

/// A file that grows by whole lines.
#[derive(Debug)]
pub(crate) struct Lines {
    file: File,
    /// Bytes of all lines that are in it.
    len: u64,
    /// Why no more lines are written, once one could not be.
    failed: Option<io::Error>,
}

impl Lines {
    /// Begins one with `head`, which are whole lines.
    pub(crate) fn begin(path: &Path, head: &[u8]) -> io::Result<Self> {
        File::create(path)?;
        let mut this = Self { file: OpenOptions::new().append(true).open(path)?, len: 0, failed: None };
        this.push(head);
        this.outcome().map(|()| this)
    }

    /// Adds `line`, which ends in a line break. One that does not fit is left out whole, as are all that follow; see [`outcome`](Self::outcome).
    pub(crate) fn push(&mut self, line: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        match self.file.write_all(line) {
            Ok(()) => self.len += line.len() as u64,
            Err(error) => {
                // It was written in part, perhaps; taking that back needs no room.
                let _ = self.file.set_len(self.len);
                self.failed = Some(error);
            }
        }
    }

    /// True before the first line.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether all lines are in the file, or else why not.
    pub(crate) fn outcome(&self) -> io::Result<()> {
        match &self.failed {
            None => Ok(()),
            Some(error) => Err(error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)),
        }
    }

    /// True when it is still this file that `path` names.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let place = |known: io::Result<fs::Metadata>| known.map(|known| (known.dev(), known.ino())).ok();
        let own = place(self.file.metadata());
        own.is_some() && own == place(fs::metadata(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_that_cannot_be_written_to_its_end_leaves_what_was_there_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comparison.json");
        write_whole(&path, b"before").unwrap();
        let failed = write_through(&path, |path| {
            fs::write(path, "half of what")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(names(folder.path()), ["comparison.json"]);
        write_whole(&path, b"after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
    }

    #[test]
    fn a_symbolic_link_stays_one_and_a_device_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write_whole(&file, b"before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_whole(&link, b"after").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && fs::read(&file).unwrap() == b"after");
        write_whole(Path::new("/dev/null"), b"nothing").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_file_that_grows_knows_when_its_path_names_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latency.hlog");
        let mut lines = Lines::begin(&path, b"head\n").unwrap();
        lines.push(b"line\n");
        assert!(lines.is_at(&path) && fs::read(&path).unwrap() == b"head\nline\n");
        fs::remove_file(&path).unwrap();
        assert!(!lines.is_at(&path));
        fs::write(&path, "another").unwrap();
        assert!(!lines.is_at(&path));
    }
}
