//! `summary.csv`: every figure in plain numbers, units in the headings, empty where nothing was measured.

use anyhow::Result;

use super::Summary;
use crate::groups::Mark;

/// The whole file.
pub fn csv(summaries: &[Summary]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (index, summary) in summaries.iter().enumerate() {
        let columns = columns(summary);
        if index == 0 {
            writer.write_record(columns.iter().map(|(name, _)| *name))?;
        }
        writer.write_record(columns.iter().map(|(_, value)| value))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn columns(summary: &Summary) -> Vec<(&'static str, String)> {
    let plain = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
    let deliveries = &summary.deliveries;
    let has = |wanted: fn(&Mark) -> bool| summary.marks.iter().any(wanted);
    let checks = summary.marks.iter().find_map(|mark| match mark {
        Mark::Invalid { checks, .. } => Some(checks.join(" ")),
        Mark::LeftOut { .. } | Mark::Interrupted { .. } | Mark::DebugBuild { .. } => None,
    });
    vec![
        ("label", summary.label.clone()),
        ("transport", summary.transport.clone()),
        ("verdict", if checks.is_some() { "invalid" } else { "valid" }.to_owned()),
        ("failed_checks", checks.unwrap_or_default()),
        ("interrupted", has(|mark| matches!(mark, Mark::Interrupted { .. })).to_string()),
        ("debug_build", has(|mark| matches!(mark, Mark::DebugBuild { .. })).to_string()),
        ("rounds", summary.rounds.to_string()),
        ("rounds_valid", summary.rounds_valid.to_string()),
        ("rounds_used", summary.rounds_used.to_string()),
        ("p50_us", plain(summary.p50_us)),
        ("p99_us", plain(summary.p99_us)),
        ("p999_us", plain(summary.p999_us)),
        ("max_us", plain(summary.max_us)),
        ("bytes_per_delivery", plain(summary.bytes_per_delivery)),
        ("bytes_include_tcp_ip", summary.bytes_are_wire.to_string()),
        ("overhead_factor", plain(summary.overhead_factor)),
        ("server_cpu_us_per_delivery", plain(summary.server_cpu_us)),
        ("server_idle_cpu_share", plain(summary.idle_cpu_share)),
        ("server_rss_bytes_per_connection", plain(summary.server_rss_bytes)),
        ("connections_opened", plain(summary.opened)),
        ("wasted_poll_share", plain(summary.wasted_polls)),
        ("expected", deliveries.expected.to_string()),
        ("delivered", deliveries.delivered.to_string()),
        ("lost", deliveries.lost.to_string()),
        ("duplicated", deliveries.duplicated.to_string()),
        ("reordered", deliveries.reordered.to_string()),
        ("late", deliveries.late.to_string()),
        ("gaps", deliveries.gaps.to_string()),
        ("offered_per_s", plain(summary.offered_per_s)),
        ("accepted_per_s", plain(summary.accepted_per_s)),
        ("deliveries_per_s", plain(summary.deliveries_per_s)),
    ]
}
