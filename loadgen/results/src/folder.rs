//! A run folder: created before anything is measured, loaded with errors that say what is wrong with which file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::bench::{BENCH_FILE, Bench};
use crate::file::write_whole;
use crate::{
    COMPARISON_FILE, Comparison, ComparisonRun, LatencyLog, RecoveryRow, Run, SCHEMA, SEARCH_FILE, Search, SeriesFile,
    SeriesRow, Span, read_latency_log,
};

/// Name of the file with the run itself.
pub const RUN_FILE: &str = "run.json";
/// Name of the file with the latency histograms.
pub const LATENCY_FILE: &str = "latency.hlog";
/// Name of the file with a row a second.
pub const SERIES_FILE: &str = "series.csv";

/// Name of the file with a row each tenth of a second, of a run with faults.
pub const RECOVERY_FILE: &str = "recovery.csv";

/// What can be wrong with a run folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A new run must not overwrite an old one.
    #[error("{} exists already: name a folder that does not, or remove it", .0.display())]
    Exists(PathBuf),
    /// The system refused.
    #[error("cannot {action} {}: {reason}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// What was written into the folder is no longer there.
    #[error("{} is gone: it was removed, renamed or replaced while the run wrote to it", .0.display())]
    Vanished(PathBuf),
    /// The folder holds no run.
    #[error("{} is not a run folder: expected {RUN_FILE} or {COMPARISON_FILE} in it", .0.display())]
    NotARun(PathBuf),
    /// The folder holds no bench.
    #[error("{} holds no {BENCH_FILE}: expected a folder that `make bench` wrote", .0.display())]
    NotABench(PathBuf),
    /// A file cannot be read as what it should be.
    #[error("{} cannot be read as a result file: {reason}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of a later build.
    #[error("{} has schema {found}, this build reads up to {SCHEMA}: use the build that wrote it, or a newer one", path.display())]
    NewerSchema {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: u64,
    },
}

/// The files of a run that grow while it runs, a line at a time. The default keeps latencies in memory, and rows nowhere.
#[derive(Debug, Default)]
pub struct RunLogs {
    /// `latency.hlog`.
    pub latency: LatencyLog,
    /// `series.csv`.
    pub series: SeriesFile,
}

/// A folder that a run writes its results into.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Creates the folder, its parents included, and proves that it can be written to. A folder that exists is refused.
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        if path.exists() {
            return Err(FolderError::Exists(path.to_owned()));
        }
        fs::create_dir_all(path).map_err(|e| io_error("create", path, e))?;
        let probe = path.join(SERIES_FILE);
        fs::File::create(&probe).map_err(|e| io_error("write to", &probe, e))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins the files that grow in this folder as the run runs; the log of latencies is to be handed to [`write`](Self::write) in the end.
    /// `started` is the instant that it counts from.
    pub fn begin_logs(&self, started: SystemTime) -> Result<RunLogs, FolderError> {
        let (latency, series) = (self.path.join(LATENCY_FILE), self.path.join(SERIES_FILE));
        Ok(RunLogs {
            latency: LatencyLog::begin(&latency, started).map_err(|e| io_error("write to", &latency, e))?,
            series: SeriesFile::begin(&series).map_err(|e| io_error("write to", &series, e))?,
        })
    }

    /// Writes how a run got over its faults. To be done before [`write`](Self::write).
    pub fn write_recovery(&self, rows: &[RecoveryRow]) -> Result<(), FolderError> {
        let path = self.path.join(RECOVERY_FILE);
        write_rows(&path, rows).map_err(|e| self.error(&path, e))
    }

    /// Writes the three files of every run; `run.json` last and at once, so that a folder with it is whole. An error leaves none.
    pub fn write(
        &self,
        run: &Run,
        latency: &LatencyLog,
        started: SystemTime,
        series: &[SeriesRow],
    ) -> Result<(), FolderError> {
        let latency_path = self.path.join(LATENCY_FILE);
        latency.write(&latency_path, started).map_err(|e| self.error(&latency_path, e))?;
        let series_path = self.path.join(SERIES_FILE);
        write_rows(&series_path, series).map_err(|e| self.error(&series_path, e))?;
        write_json(&self.path.join(RUN_FILE), run)
    }

    /// Why `path` in this folder cannot be written: most plainly, because the folder is not what it was.
    fn error(&self, path: &Path, source: io::Error) -> FolderError {
        match source.kind() {
            io::ErrorKind::NotFound => FolderError::Vanished(self.path.clone()),
            _ => io_error("write", path, source),
        }
    }
}

fn write_rows(path: &Path, rows: &[impl serde::Serialize]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    write_whole(path, &writer.into_inner().map_err(|e| e.into_error())?)
}

fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), FolderError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| io_error("write", path, io::Error::other(e)))?;
    write_whole(path, (text + "\n").as_bytes()).map_err(|e| io_error("write", path, e))
}

impl Comparison {
    /// Writes `comparison.json` into `folder`.
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        write_json(&folder.join(COMPARISON_FILE), self)
    }
}

impl Search {
    /// Writes `search.json` into `folder`.
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        write_json(&folder.join(SEARCH_FILE), self)
    }
}

/// One run as it was read back.
#[derive(Debug, Clone)]
pub struct LoadedRun {
    /// The folder that it was read from.
    pub folder: PathBuf,
    /// Its place in the comparison that it was loaded with, if it was.
    pub member: Option<ComparisonRun>,
    /// Contents of `run.json`.
    pub run: Run,
    /// The window's latencies, an interval a second.
    pub latency: Vec<Span>,
    /// Rows of `series.csv`.
    pub series: Vec<SeriesRow>,
    /// Rows of `recovery.csv`; empty for a run without faults.
    pub recovery: Vec<RecoveryRow>,
}

impl LoadedRun {
    /// Name of its contender: its label in its comparison, or else its transport and its server's target.
    pub fn contender(&self) -> String {
        let label = self.member.as_ref().and_then(|member| member.label.clone());
        label.unwrap_or_else(|| self.run.asked.contender())
    }
}

/// Loads one run folder.
pub fn load(folder: &Path) -> Result<LoadedRun, FolderError> {
    let run_path = folder.join(RUN_FILE);
    if !run_path.is_file() {
        return Err(FolderError::NotARun(folder.to_owned()));
    }
    let run = read_json(&run_path)?;
    let latency_path = folder.join(LATENCY_FILE);
    let latency = read_latency_log(&latency_path).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData => malformed(&latency_path, &e),
        _ => io_error("read", &latency_path, e),
    })?;
    let series_path = folder.join(SERIES_FILE);
    let series = read_rows(&series_path)?;
    let recovery_path = folder.join(RECOVERY_FILE);
    let recovery = if recovery_path.is_file() { read_rows(&recovery_path)? } else { Vec::new() };
    Ok(LoadedRun { folder: folder.to_owned(), member: None, run, latency, series, recovery })
}

fn read_rows<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, FolderError> {
    let rows = csv::Reader::from_path(path).and_then(|mut reader| reader.deserialize().collect());
    rows.map_err(|e| match e.into_kind() {
        csv::ErrorKind::Io(e) => io_error("read", path, e),
        kind => malformed(path, &csv_reason(&kind)),
    })
}

/// Loads run folders, and every run of the comparisons among them, in the order given.
pub fn load_all(folders: &[PathBuf]) -> Result<Vec<LoadedRun>, FolderError> {
    let mut runs = Vec::new();
    for folder in folders {
        let comparison_path = folder.join(COMPARISON_FILE);
        if comparison_path.is_file() {
            let comparison: Comparison = read_json(&comparison_path)?;
            for member in comparison.runs {
                let run = load(&folder.join(&member.folder))?;
                runs.push(LoadedRun { member: Some(member), ..run });
            }
        } else {
            runs.push(load(folder)?);
        }
    }
    Ok(runs)
}

/// Loads a search and its runs, in the order of its steps; `None` for a folder that holds no search.
pub fn load_search(folder: &Path) -> Result<Option<(Search, Vec<LoadedRun>)>, FolderError> {
    let path = folder.join(SEARCH_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let search: Search = read_json(&path)?;
    let runs = search.steps.iter().map(|step| load(&folder.join(&step.folder))).collect::<Result<_, _>>()?;
    Ok(Some((search, runs)))
}

/// Loads what `make bench` wrote into `folder`.
pub fn load_bench(folder: &Path) -> Result<Bench, FolderError> {
    let path = folder.join(BENCH_FILE);
    if !path.is_file() {
        return Err(FolderError::NotABench(folder.to_owned()));
    }
    read_json(&path)
}

/// Loads the rounds in one folder: a run folder, a comparison, or a folder whose subfolders are run folders.
pub fn load_rounds(folder: &Path) -> Result<Vec<LoadedRun>, FolderError> {
    if folder.join(COMPARISON_FILE).is_file() || folder.join(RUN_FILE).is_file() || !folder.is_dir() {
        return load_all(&[folder.to_owned()]);
    }
    let entries = fs::read_dir(folder).map_err(|e| io_error("read", folder, e))?;
    let mut runs: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    runs.retain(|run| run.join(RUN_FILE).is_file());
    runs.sort();
    if runs.is_empty() {
        return Err(FolderError::NotARun(folder.to_owned()));
    }
    load_all(&runs)
}

/// Names the line, which the default text of the error hides among byte offsets.
fn csv_reason(kind: &csv::ErrorKind) -> String {
    match kind {
        csv::ErrorKind::Deserialize { pos: Some(pos), err } => format!("line {}: {err}", pos.line()),
        other => format!("{other:?}"),
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, FolderError> {
    let text = fs::read(path).map_err(|e| io_error("read", path, e))?;
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(|e| malformed(path, &e))?;
    let schema = value.get("schema").and_then(serde_json::Value::as_u64);
    match schema {
        None => Err(malformed(path, &"it has no `schema` number, so no run of Wirelab wrote it")),
        Some(found) if found > u64::from(SCHEMA) => Err(FolderError::NewerSchema { path: path.to_owned(), found }),
        Some(_) => serde_json::from_value(value).map_err(|e| malformed(path, &e)),
    }
}

fn io_error(action: &'static str, path: &Path, reason: io::Error) -> FolderError {
    FolderError::Io { action, path: path.to_owned(), reason }
}

fn malformed(path: &Path, reason: &dyn std::fmt::Display) -> FolderError {
    FolderError::Malformed { path: path.to_owned(), reason: reason.to_string() }
}
