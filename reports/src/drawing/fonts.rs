//! The two fonts that travel with the report, and how wide they set a text.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef};

/// Roboto Regular, cut down; see `fonts/README.md`.
pub const REGULAR_TTF: &[u8] = include_bytes!("../../fonts/Roboto-Regular.ttf");
/// Roboto Bold, cut down likewise.
pub const BOLD_TTF: &[u8] = include_bytes!("../../fonts/Roboto-Bold.ttf");

static REGULAR: LazyLock<FontRef<'static>> = LazyLock::new(|| parsed(REGULAR_TTF));
static BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| parsed(BOLD_TTF));

fn parsed(ttf: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(ttf).expect("the fonts are compiled in and whole")
}

/// Weight of the letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// For most.
    Regular,
    /// For what must be found first.
    Bold,
}

impl Weight {
    pub(super) fn font(self) -> &'static FontRef<'static> {
        match self {
            Self::Regular => &REGULAR,
            Self::Bold => &BOLD,
        }
    }
}

/// Width of `text` in logical pixels at `size` pixels per em.
pub fn text_width(text: &str, size: f64, weight: Weight) -> f64 {
    let font = weight.font();
    let units: f32 = text.chars().map(|letter| font.h_advance_unscaled(font.glyph_id(letter))).sum();
    let per_em = font.units_per_em().expect("the fonts state their units");
    f64::from(units / per_em) * size
}

/// `text`, or as much of it as fits into `room` with an ellipsis.
pub fn fitted(text: &str, size: f64, weight: Weight, room: f64) -> String {
    if text_width(text, size, weight) <= room {
        return text.to_owned();
    }
    let mut letters: Vec<char> = text.chars().collect();
    while letters.pop().is_some() {
        let shorter = format!("{}…", letters.iter().collect::<String>().trim_end());
        if text_width(&shorter, size, weight) <= room {
            return shorter;
        }
    }
    String::new()
}

/// `text` broken at blanks into lines that fit into `room`; a word that is too long is broken where it must be.
pub fn wrapped(text: &str, size: f64, weight: Weight, room: f64) -> Vec<String> {
    let fits = |line: &str| text_width(line, size, weight) <= room;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if fits(&format!("{line} {word}")) => {
                line.push(' ');
                line.push_str(word);
                continue;
            }
            _ => lines.push(String::new()),
        }
        for letter in word.chars() {
            let line = lines.last().map_or("", String::as_str);
            if !line.is_empty() && !fits(&format!("{line}{letter}")) {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push(letter);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_does_not_fit_ends_in_an_ellipsis_and_then_fits() {
        let text = fitted("a transport with a very long name", 16.0, Weight::Regular, 100.0);
        assert!(text.ends_with('…'), "{text}");
        assert!(text_width(&text, 16.0, Weight::Regular) <= 100.0);
    }

    #[test]
    fn wrapped_lines_fit_and_lose_no_word() {
        let text = "ws 10,000 clients 128 B payload";
        let lines = wrapped(text, 16.0, Weight::Bold, 120.0);
        assert!(lines.iter().all(|line| text_width(line, 16.0, Weight::Bold) <= 120.0), "{lines:?}");
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn a_word_without_a_blank_is_broken_and_not_cut() {
        let lines = wrapped("carrier-pigeon-with-a-long-name ws", 16.0, Weight::Bold, 120.0);
        assert!(lines.len() > 2 && lines.iter().all(|line| text_width(line, 16.0, Weight::Bold) <= 120.0), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), "carrier-pigeon-with-a-long-namews");
    }
}
