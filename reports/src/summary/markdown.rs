//! `summary.md`: the warnings, the answer and the table, ready to be pasted into an issue or a README.

use super::{HEADINGS, Summary};
use crate::groups::Mark;

/// The whole file.
pub fn markdown(marks: &[Mark], answer: &str, comparisons: &[String], summaries: &[Summary]) -> String {
    let mut lines: Vec<String> = marks.iter().map(|mark| format!("**{}**\n", plain(&mark.to_string()))).collect();
    lines.push(format!("{}\n", plain(answer)));
    lines.push(row(HEADINGS.map(str::to_owned)));
    lines.push(format!("|---|{}---|", "--:|".repeat(HEADINGS.len() - 2)));
    lines.extend(summaries.iter().map(|summary| row(summary.cells())));
    if !comparisons.is_empty() {
        lines.push(String::new());
        lines.extend(comparisons.iter().map(|sentence| format!("* {}", plain(sentence))));
    }
    lines.join("\n") + "\n"
}

fn row<const N: usize>(cells: [String; N]) -> String {
    format!("| {} |", cells.map(|cell| plain(&cell)).join(" | "))
}

/// `text` without anything that would break a table or be taken for markup.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '<' | '>' | '`' | '*' | '_' | '[' | ']' | '\\' => safe.extend(['\\', letter]),
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_cell() {
        assert_eq!(row(["a|b".to_owned(), "<i>\n".to_owned()]), "| a\\|b | \\<i\\>  |");
    }
}
