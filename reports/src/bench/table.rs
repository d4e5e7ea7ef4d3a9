//! The table of a bench: a row per contender, section by section, each with its targets.

use results::bench::findings::{Asked, Finding};
use results::bench::{Bench, Contender, Quantity, Role, Section};
use results::numbers::{NOT_MEASURED, count, number, or_not_measured};

use super::words;
use crate::drawing::escaped;
use crate::page::figure_cell;
use crate::style::{INK, OTHERS, OURS};

const HEADINGS: [&str; 7] =
    ["contender", "CPU per unit", "user + system", "times the floor", "RSS per client", "p99 latency", "targets"];

/// The whole table.
pub(super) fn table(bench: &Bench, findings: &[Finding<'_>]) -> String {
    let headings: String = HEADINGS.iter().map(|heading| format!("<th>{heading}</th>")).collect();
    let sections: String = bench.sections.iter().map(|section| rows(section, findings)).collect();
    format!("<div class=\"wide\"><table class=\"figures bench\">\n<tr>{headings}</tr>\n{sections}</table></div>\n")
}

fn rows(section: &Section, findings: &[Finding<'_>]) -> String {
    let side = format!("{:?}", section.side).to_lowercase();
    let load = format!("{side}, {} clients, us per {}", count(section.clients), section.unit);
    let rows: String = section.contenders.iter().map(|contender| row(section, contender, findings)).collect();
    let absent: String = targets_of(section, findings)
        .filter(|(_, name)| section.find(name).is_none())
        .map(|(finding, name)| {
            format!(
                "<tr><td>{}</td><td colspan=\"5\" class=\"missing\">{NOT_MEASURED}</td>{}</tr>\n",
                escaped(name),
                cell(&[finding])
            )
        })
        .collect();
    format!(
        "<tr class=\"section\"><th colspan=\"{}\">{} <span>{}</span></th></tr>\n{rows}{absent}",
        HEADINGS.len(),
        escaped(&section.title),
        escaped(&load)
    )
}

fn row(section: &Section, contender: &Contender, findings: &[Finding<'_>]) -> String {
    let of = |quantity| contender.figure(quantity);
    let with_spread =
        |quantity| of(quantity).map_or_else(|| NOT_MEASURED.to_owned(), |figure| words::figure(quantity, figure));
    let split = contender.split_us().map(|(user, system)| format!("{} + {} us", number(user), number(system)));
    let ratio = match contender.role {
        Role::Floor => "1".to_owned(),
        _ => section.over_floor(contender).map_or_else(|| NOT_MEASURED.to_owned(), words::multiple_with_spread),
    };
    let cells = [
        with_spread(Quantity::Cpu),
        split.unwrap_or_else(|| NOT_MEASURED.to_owned()),
        ratio,
        or_not_measured(of(Quantity::Rss).map(|figure| figure.median), |bytes| words::value(Quantity::Rss, bytes)),
        with_spread(Quantity::P99),
    ];
    let colour = match contender.role {
        Role::Ours => OURS,
        Role::Floor => INK,
        Role::Peer => OTHERS,
    };
    let own: Vec<&Finding<'_>> = targets_of(section, findings)
        .filter(|(_, name)| section.find(name).is_some_and(|found| std::ptr::eq(found, contender)))
        .map(|(finding, _)| finding)
        .collect();
    let doubt = if contender.is_invalid() { " <strong class=\"invalid\">INVALID</strong>" } else { "" };
    format!(
        "<tr><td><span class=\"swatch\" style=\"background:{}\"></span>{}{doubt}</td>{}{}</tr>\n",
        colour.css(),
        label(contender),
        cells.iter().map(|text| figure_cell(text)).collect::<String>(),
        cell(&own)
    )
}

/// Name and variant, each in one piece.
fn label(contender: &Contender) -> String {
    let variant =
        contender.variant.as_ref().map(|variant| format!(" <span class=\"variant\">{}</span>", escaped(variant)));
    escaped(&contender.name) + &variant.unwrap_or_default()
}

/// The targets that were set in one section, each with the name that it is for.
fn targets_of<'a>(
    section: &'a Section,
    findings: &'a [Finding<'a>],
) -> impl Iterator<Item = (&'a Finding<'a>, &'a str)> {
    findings.iter().filter_map(move |finding| match finding.asked {
        Asked::Of(of, target) if std::ptr::eq(of, section) => Some((finding, target.contender.as_str())),
        Asked::Of(..) | Asked::Between(_) => None,
    })
}

fn cell(findings: &[&Finding<'_>]) -> String {
    let line = |finding: &&Finding<'_>| {
        let Asked::Of(section, target) = finding.asked else { return String::new() };
        let of = match target.quantity {
            Quantity::Cpu => "CPU",
            Quantity::Rss => "RSS",
            Quantity::P99 => "p99",
        };
        let seen = match &target.against {
            // What stands in the row already is not said again.
            Some(other)
                if finding.seen.is_some()
                    && (section.find(other) != section.floor() || target.quantity != Quantity::Cpu) =>
            {
                format!(" ({})", words::seen(finding))
            }
            _ => String::new(),
        };
        let note = if target.note.is_empty() { String::new() } else { format!("; {}", target.note) };
        let text = format!("{of} {}: {}{seen}{note}", words::bound(target), words::outcome(finding.outcome));
        let class = words::class(finding.outcome);
        format!("<span class=\"{class}\">{}</span>", escaped(&text))
    };
    format!("<td>{}</td>", findings.iter().map(line).collect::<Vec<_>>().join("<br>"))
}
