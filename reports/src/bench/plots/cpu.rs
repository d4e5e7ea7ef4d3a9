//! CPU time per unit of work, user and system stacked, a panel per load, the floor as a line.

use results::bench::findings::{Asked, Finding, Outcome};
use results::bench::{Bench, Contender, Quantity, Role, Section, Side};
use results::numbers::{NOT_MEASURED, number, time_us};

use crate::bench::words;
use crate::drawing::{Bar, Block, Drawing, Key, Row};
use crate::style::{Colour, INK, OTHERS, OTHERS_IN_KERNEL, OURS, OURS_IN_KERNEL};

/// Name of the image.
pub fn file(side: Side) -> &'static str {
    match side {
        Side::Server => "bench_server_cpu",
        Side::Generator => "bench_generator_cpu",
    }
}

/// What one sees.
pub const CAPTION: &str = "CPU time per unit of work, user mode (dark) and system (light). Bars are medians over rounds, whiskers \
    the smallest and largest round. The dashed line is the floor, the least work that the kernel allows; behind each time stands \
    what multiple of the floor it is, made within each round, and MISSED where a target for it is missed. Every panel has a scale of its own.";

/// A panel per section of one side.
pub fn select(bench: &Bench, side: Side) -> Vec<Block> {
    let findings = bench.findings();
    let of_side = bench.sections.iter().filter(|section| section.side == side && !section.contenders.is_empty());
    of_side
        .map(|section| Block {
            title: section.title.clone(),
            unit: format!("us of CPU per {}", section.unit),
            rows: section.contenders.iter().map(|contender| row(section, contender, &findings)).collect(),
            line: section.floor().and_then(|floor| floor.figure(Quantity::Cpu)).map(|floor| floor.median),
        })
        .collect()
}

fn row(section: &Section, contender: &Contender, findings: &[Finding<'_>]) -> Row {
    let figure = contender.figure(Quantity::Cpu);
    let (user, system) = colours(contender.role);
    let ratio = section.over_floor(contender).filter(|_| contender.role != Role::Floor);
    let mut notes: Vec<String> = ratio.map(|ratio| words::multiple(ratio.median)).into_iter().collect();
    if contender.is_invalid() {
        notes = vec!["INVALID".to_owned()];
    } else if findings.iter().any(|finding| is_missed(finding, section, contender)) {
        notes.push("MISSED".to_owned());
    }
    let segments = contender.split_us().map(|(in_user, in_system)| vec![(in_user, user), (in_system, system)]);
    let bar = Bar {
        segments: segments.unwrap_or_default(),
        whisker: figure.filter(|_| contender.used().count() > 1).map(|figure| (figure.low, figure.high)),
        value: figure.map_or_else(|| NOT_MEASURED.to_owned(), |figure| time_us(figure.median)),
        note: notes.join(", "),
    };
    Row { label: contender.label(), colour: user, detail: String::new(), bars: vec![bar] }
}

/// True when the contender's CPU in this section is above what it may be.
fn is_missed(finding: &Finding<'_>, section: &Section, contender: &Contender) -> bool {
    let Asked::Of(of, target) = finding.asked else { return false };
    finding.outcome == Outcome::Missed
        && target.quantity == Quantity::Cpu
        && of.name == section.name
        && section.find(&target.contender) == Some(contender)
}

/// Colours of a contender in user mode and in the kernel.
pub(super) fn colours(role: Role) -> (Colour, Colour) {
    match role {
        Role::Ours => (OURS, OURS_IN_KERNEL),
        Role::Floor | Role::Peer => (OTHERS, OTHERS_IN_KERNEL),
    }
}

/// Draws the panels of one side.
pub fn draw(side: Side, blocks: &[Block], subtitle: &str) -> Drawing {
    let title = match side {
        Side::Server => "CPU time per unit of work, servers",
        Side::Generator => "CPU time per unit of work, generators",
    };
    let legend = [
        ("Wirelab, user", OURS),
        ("Wirelab, system", OURS_IN_KERNEL),
        ("others, user", OTHERS),
        ("others, system", OTHERS_IN_KERNEL),
        ("the floor (dashed line)", INK),
    ];
    let legend = legend.map(|(label, colour)| Key { colour, label: label.to_owned() });
    super::in_panels(title, &legend, blocks, subtitle, number)
}
