//! Values of flags that several commands take: what is refused, and what was expected instead.

use std::time::Duration;

pub(super) fn url_value(text: &str) -> Result<String, String> {
    crate::target::parse(text).map(|_| text.to_owned()).map_err(|e| format!("{e:#}"))
}

pub(super) fn rate_value(text: &str) -> Result<f64, String> {
    const RANGE: std::ops::RangeInclusive<f64> = 0.001..=1_000_000.0;
    match text.parse() {
        Ok(rate) if RANGE.contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0.001 to 1000000 per second".into()),
    }
}

pub(super) fn percent_value(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(percent) if (0.0..=1000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("expected per cent from 0 to 1000, for example 5%".into()),
    }
}

pub(super) fn time_value(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        _ => Err("expected a time with its unit, up to 24h, for example 500ms, 20s or 2min".into()),
    }
}

pub(crate) fn positive_time_value(text: &str) -> Result<Duration, String> {
    match time_value(text) {
        Ok(Duration::ZERO) => Err("expected a time above zero, for example 500ms or 20s".into()),
        result => result,
    }
}
