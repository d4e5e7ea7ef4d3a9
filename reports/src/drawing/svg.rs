//! A drawing as SVG: text stays text, so that it can be searched, selected and read aloud.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Anchor, BOLD_TTF, Drawing, Label, REGULAR_TTF, Shape, Weight};
use crate::style::{Colour, FONT_FAMILY, PAPER};

/// The image as an element for a page that has the [`font_faces`].
pub fn svg(drawing: &Drawing) -> String {
    document(drawing, "", "")
}

/// The image as a file of its own, fonts included.
pub fn standalone_svg(drawing: &Drawing) -> String {
    let size = format!(r#" width="{}" height="{}""#, drawing.width, drawing.height);
    document(drawing, &size, &format!("<style>{}</style>\n", font_faces()))
}

/// The fonts as CSS that needs no network.
pub fn font_faces() -> String {
    let face = |weight: u32, ttf: &[u8]| {
        let data = STANDARD.encode(ttf);
        format!(
            "@font-face{{font-family:\"Wirelab Roboto\";font-weight:{weight};src:url(data:font/ttf;base64,{data})}}\n"
        )
    };
    face(400, REGULAR_TTF) + &face(700, BOLD_TTF)
}

/// `text` with everything that means something to HTML or SVG made harmless.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Other control characters are not allowed in XML at all.
            control if control.is_control() && !matches!(control, '\n' | '\t') => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

fn document(drawing: &Drawing, size: &str, style: &str) -> String {
    let (width, height, title) = (drawing.width, drawing.height, escaped(&drawing.title));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\"{size} viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"{title}\" font-family=\"{FONT_FAMILY}\">\n{style}<title>{title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n",
        PAPER.css()
    );
    for shape in &drawing.shapes {
        let line = match shape {
            Shape::Line { points, stroke } => {
                let dash = stroke.dash.map(|(on, off)| format!(" stroke-dasharray=\"{on} {off}\"")).unwrap_or_default();
                let (list, colour) = (list(points), stroke.colour.css());
                format!(
                    "<polyline points=\"{list}\" fill=\"none\" stroke=\"{colour}\"{} stroke-width=\"{}\" \
                     stroke-linejoin=\"round\"{dash}/>",
                    opacity("stroke-opacity", stroke.colour),
                    stroke.width
                )
            }
            Shape::Area { points, colour } => format!(
                "<polygon points=\"{}\" fill=\"{}\"{}/>",
                list(points),
                colour.css(),
                opacity("fill-opacity", *colour)
            ),
            Shape::Text(label) => text(label),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out.push_str("</svg>\n");
    out
}

fn text(label: &Label) -> String {
    let (x, y) = label.at;
    let anchor = match label.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let weight = match label.weight {
        Weight::Regular => 400,
        Weight::Bold => 700,
    };
    let turn = if label.turned { format!(" transform=\"rotate(-90 {x:.1} {y:.1})\"") } else { String::new() };
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{}\" font-weight=\"{weight}\" \
         fill=\"{}\"{}{turn}>{}</text>",
        label.size,
        label.colour.css(),
        opacity("fill-opacity", label.colour),
        escaped(&label.text)
    )
}

fn list(points: &[(f64, f64)]) -> String {
    let mut list = String::new();
    for (x, y) in points {
        let _ = write!(list, "{x:.1},{y:.1} ");
    }
    list.trim_end().to_owned()
}

fn opacity(name: &str, colour: Colour) -> String {
    if colour.alpha < 1.0 { format!(" {name}=\"{}\"", colour.alpha) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_text_is_shown_and_not_obeyed() {
        assert_eq!(escaped("<b>\"R&D\"'s\u{7}"), "&lt;b&gt;&quot;R&amp;D&quot;&#39;s\u{fffd}");
    }
}
