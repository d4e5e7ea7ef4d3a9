//! `latency.hlog`: every latency of the run, as an HdrHistogram V2 interval log that standard tools read.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogHistogram, IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::file::{Lines, write_whole};

/// Smallest latency that the histograms tell apart, nanoseconds.
pub const LOWEST_LATENCY_NS: u64 = 1_000;
/// Largest latency that the histograms hold, nanoseconds. What is larger is counted apart, never clamped.
pub const HIGHEST_LATENCY_NS: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// An empty histogram of nanoseconds, 1 us to 60 s, three significant digits (139 KB when it has filled).
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LOWEST_LATENCY_NS, HIGHEST_LATENCY_NS, SIGNIFICANT_DIGITS)
        .expect("the bounds are constants that hdrhistogram accepts")
}

/// The same, but only as large as the times in it need: 16 KB at first, 66 KB for one of 50 ms. It takes any time, so whoever records
/// holds those above [`HIGHEST_LATENCY_NS`] back.
pub fn growing_histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(LOWEST_LATENCY_NS, 2 * LOWEST_LATENCY_NS, SIGNIFICANT_DIGITS)
        .expect("the bounds are constants that hdrhistogram accepts");
    histogram.auto(true);
    histogram
}

/// Latencies of one interval of a run.
#[derive(Debug, Clone)]
pub struct Span {
    /// Start of the interval, since the start of the log.
    pub start: Duration,
    /// Length of the interval.
    pub length: Duration,
    /// What was recorded in it, nanoseconds.
    pub histogram: Histogram<u64>,
}

/// The intervals of a run, as lines of a log.
///
/// A log that was [begun](Self::begin) in its file grows there, a line as it comes, and holds nothing: what is on disk is whole up
/// to the last line, whatever becomes of the run; a line that cannot be written is told of when the log is [written](Self::write). Any other
/// keeps its lines until then.
#[derive(Debug, Default)]
pub struct LatencyLog {
    file: Option<Lines>,
    /// Lines that are in no file yet.
    kept: Vec<u8>,
}

impl LatencyLog {
    /// Begins a log in a file of its own; `started` is the wall-clock instant that the intervals count from.
    pub fn begin(path: &Path, started: SystemTime) -> io::Result<Self> {
        Ok(Self { file: Some(Lines::begin(path, &head(started)?)?), kept: Vec::new() })
    }

    /// Adds one interval under an optional tag. Empty histograms are kept: silence is a finding.
    pub fn push(
        &mut self,
        tag: Option<&'static str>,
        start: Duration,
        length: Duration,
        histogram: &Histogram<u64>,
    ) -> io::Result<()> {
        let (mut text, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
        lines()
            .begin_log_with(&mut text, &mut serializer)
            .map_err(io::Error::other)?
            .write_histogram(histogram, start, length, tag.and_then(Tag::new))
            .map_err(|e| io::Error::other(format!("{e:?}")))?;
        // What stands before it, the divisor, is in the head already.
        let line = text.split_inclusive(|&byte| byte == b'\n').next_back().unwrap_or_default();
        match &mut self.file {
            Some(file) => file.push(line),
            None => self.kept.extend_from_slice(line),
        }
        Ok(())
    }

    /// Writes a log that was kept; `started` is the wall-clock instant that the intervals count from. One that was begun in a file is
    /// written already, and fails if a line of it could not be, or if `path` no longer names that file (`NotFound`).
    pub fn write(&self, path: &Path, started: SystemTime) -> io::Result<()> {
        match &self.file {
            None => write_whole(path, &[&head(started)?[..], &self.kept].concat()),
            Some(file) if file.is_at(path) => file.outcome(),
            Some(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// What every line of a log is written with.
fn lines() -> IntervalLogWriterBuilder {
    let mut lines = IntervalLogWriterBuilder::new();
    lines.with_max_value_divisor(1_000_000.0);
    lines
}

/// The lines that a log begins with.
fn head(started: SystemTime) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    lines()
        .add_comment(
            "latency in nanoseconds, from the intended publishing instant; tagged `actual`, from the actual one; other tags name other \
             times of a shard, in nanoseconds, too",
        )
        .with_start_time(started)
        .with_base_time(started)
        .begin_log_with(&mut head, &mut V2DeflateSerializer::new())
        .map_err(io::Error::other)?;
    Ok(head)
}

/// Reads the untagged intervals of a log.
pub fn read_latency_log(path: &Path) -> io::Result<Vec<Span>> {
    let mut spans = Vec::new();
    visit_latency_log(path, |tag, span| {
        if tag.is_none() {
            spans.push(span);
        }
    })?;
    Ok(spans)
}

/// Reads all intervals of a log one by one, with their tags, so that a long log need not be held whole.
pub fn visit_latency_log(path: &Path, mut visit: impl FnMut(Option<&str>, Span)) -> io::Result<()> {
    let bytes = std::fs::read(path)?;
    let mut deserializer = Deserializer::new();
    let broken = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    for entry in IntervalLogIterator::new(&bytes) {
        let entry = entry.map_err(|e| broken(format!("not an HdrHistogram interval log: {e:?}")))?;
        if let LogEntry::Interval(interval) = entry {
            let tag = interval.tag().map(|tag| tag.as_str().to_owned());
            visit(tag.as_deref(), decode(&interval, &mut deserializer).map_err(broken)?);
        }
    }
    Ok(())
}

fn decode(interval: &IntervalLogHistogram<'_>, deserializer: &mut Deserializer) -> Result<Span, String> {
    use base64::Engine;
    let compressed =
        base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram()).map_err(|e| e.to_string())?;
    let histogram = deserializer.deserialize(&mut compressed.as_slice()).map_err(|e| e.to_string())?;
    Ok(Span { start: interval.start_timestamp(), length: interval.duration(), histogram })
}
