//! `latency.hlog`: every latency of the run, as an HdrHistogram V2 interval log that standard tools read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogHistogram, IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer, V2Serializer};

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

/// Collects intervals and writes them as one log.
///
/// The intervals are kept until [`write`](Self::write), so that an interrupted run still leaves a whole file.
#[derive(Debug, Default)]
pub struct LatencyLog {
    spans: Vec<(Option<&'static str>, Duration, Duration, Vec<u8>)>,
}

impl LatencyLog {
    /// Adds one interval under an optional tag. Empty histograms are kept: silence is a finding.
    pub fn push(
        &mut self,
        tag: Option<&'static str>,
        start: Duration,
        length: Duration,
        histogram: &Histogram<u64>,
    ) -> io::Result<()> {
        use hdrhistogram::serialization::Serializer;
        let mut encoded = Vec::new();
        V2Serializer::new().serialize(histogram, &mut encoded).map_err(io::Error::other)?;
        self.spans.push((tag, start, length, encoded));
        Ok(())
    }

    /// Writes the log; `started` is the wall-clock instant that the intervals count from.
    pub fn write(&self, path: &Path, started: SystemTime) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment(
                "latency in nanoseconds, from the intended publishing instant; tagged `actual`, from the actual one; other tags \
                 name other times of a shard, in nanoseconds, too",
            )
            .with_start_time(started)
            .with_base_time(started)
            .with_max_value_divisor(1_000_000.0)
            .begin_log_with(&mut out, &mut serializer)
            .map_err(io::Error::other)?;
        for (tag, start, length, encoded) in &self.spans {
            let histogram: Histogram<u64> =
                Deserializer::new().deserialize(&mut encoded.as_slice()).map_err(io::Error::other)?;
            let tag = tag.and_then(Tag::new);
            log.write_histogram(&histogram, *start, *length, tag).map_err(|e| io::Error::other(format!("{e:?}")))?;
        }
        out.flush()
    }
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
