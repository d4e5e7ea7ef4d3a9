//! A drawing as PNG: drawn at four times its size and averaged down to two, which smooths every edge.

use std::path::Path;

use ab_glyph::{Font, PxScale, ScaleFont, point};
use anyhow::{Result, anyhow};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::{Color, RGBAColor, RGBColor, ShapeStyle};

use super::{Anchor, Drawing, Label, Shape, Stroke, text_width};
use crate::style::{Colour, PAPER};

/// Pixels of the file per logical pixel: crisp on the displays of today.
const PIXELS: usize = 2;
/// Drawn pixels per pixel of the file, in each direction.
const SAMPLES: usize = 2;
const SCALE: f64 = (PIXELS * SAMPLES) as f64;

/// Writes the image to `path`.
pub fn png(drawing: &Drawing, path: &Path) -> Result<()> {
    let size = |logical: f64, pixels: usize| logical.ceil() as usize * pixels;
    let (width, height) = (size(drawing.width, PIXELS), size(drawing.height, PIXELS));
    let mut fine = vec![PAPER.rgb[0]; width * SAMPLES * height * SAMPLES * 3];
    {
        let mut canvas = BitMapBackend::with_buffer(&mut fine, ((width * SAMPLES) as u32, (height * SAMPLES) as u32));
        for shape in &drawing.shapes {
            match shape {
                Shape::Line { points, stroke } => line(&mut canvas, points, *stroke)?,
                Shape::Area { points, colour } => area(&mut canvas, points, *colour)?,
                Shape::Text(label) => text(&mut canvas, label)?,
            }
        }
    }
    let pixels = averaged(&fine, width, height);
    let mut file = BitMapBackend::new(path, (width as u32, height as u32));
    file.blit_bitmap((0, 0), (width as u32, height as u32), &pixels).map_err(reason)?;
    file.present().map_err(reason)
}

fn line(canvas: &mut BitMapBackend<'_>, points: &[(f64, f64)], stroke: Stroke) -> Result<()> {
    let half = stroke.width / 2.0;
    let style = filled(stroke.colour);
    let round = (half * SCALE).round() as u32;
    for piece in pieces(points, stroke.dash) {
        for ends in piece.windows(2) {
            let [(x0, y0), (x1, y1)] = [ends[0], ends[1]];
            let length = (x1 - x0).hypot(y1 - y0);
            if length > 0.0 {
                let (dx, dy) = ((y1 - y0) / length * half, (x0 - x1) / length * half);
                let quad = [(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)];
                canvas.fill_polygon(quad.map(at), &style).map_err(reason)?;
            }
        }
        // A joint is round; translucent lines are straight here and need none.
        let joints = piece.get(1..piece.len().saturating_sub(1)).unwrap_or_default();
        for joint in joints.iter().filter(|_| round > 1 && stroke.colour.alpha >= 1.0) {
            canvas.draw_circle(at(*joint), round, &style, true).map_err(reason)?;
        }
    }
    Ok(())
}

fn area(canvas: &mut BitMapBackend<'_>, points: &[(f64, f64)], colour: Colour) -> Result<()> {
    let corners: Vec<_> = points.iter().copied().map(at).collect();
    canvas.fill_polygon(corners, &filled(colour)).map_err(reason)
}

fn text(canvas: &mut BitMapBackend<'_>, label: &Label) -> Result<()> {
    let font = label.weight.font();
    let per_em = font.units_per_em().unwrap_or(1.0);
    let scale = PxScale::from((label.size * SCALE) as f32 * font.height_unscaled() / per_em);
    let scaled = font.as_scaled(scale);
    let width = text_width(&label.text, label.size, label.weight);
    let before = match label.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => width / 2.0,
        Anchor::End => width,
    };
    let origin = at(label.at);
    let mut pen = (-before * SCALE) as f32;
    for letter in label.text.chars() {
        let id = font.glyph_id(letter);
        if let Some(outline) = font.outline_glyph(id.with_scale_and_position(scale, point(pen, 0.0))) {
            let bounds = outline.px_bounds();
            let mut inked = Vec::new();
            outline.draw(|x, y, cover| inked.push((x, y, cover)));
            for (x, y, cover) in inked.into_iter().filter(|(.., cover)| *cover > 0.0) {
                let (right, down) = (bounds.min.x as i32 + x as i32, bounds.min.y as i32 + y as i32);
                let (dx, dy) = if label.turned { (down, -right) } else { (right, down) };
                let alpha = label.colour.alpha * f64::from(cover.min(1.0));
                let ink = colour(label.colour.faded(alpha)).to_backend_color();
                canvas.draw_pixel((origin.0 + dx, origin.1 + dy), ink).map_err(reason)?;
            }
        }
        pen += scaled.h_advance(id);
    }
    Ok(())
}

/// A line as the pieces that its dashes leave of it.
fn pieces(points: &[(f64, f64)], dash: Option<(f64, f64)>) -> Vec<Vec<(f64, f64)>> {
    let Some((on, off)) = dash else { return vec![points.to_vec()] };
    let mut pieces = Vec::new();
    let mut piece: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    let (mut inked, mut left) = (true, on);
    for ends in points.windows(2) {
        let (mut from, to) = (ends[0], ends[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if length <= left {
                left -= length;
                piece.extend(inked.then_some(to));
                break;
            }
            let share = left / length;
            from = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            if inked {
                piece.push(from);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![from];
            }
            inked = !inked;
            left = if inked { on } else { off };
        }
    }
    if inked {
        pieces.push(piece);
    }
    pieces
}

fn averaged(fine: &[u8], width: usize, height: usize) -> Vec<u8> {
    let row = width * SAMPLES * 3;
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let first = y * SAMPLES * row + x * SAMPLES * 3 + channel;
                let samples = (0..SAMPLES * SAMPLES).map(|i| first + i / SAMPLES * row + i % SAMPLES * 3);
                let sum: usize = samples.map(|index| usize::from(fine[index])).sum();
                pixels.push((sum / (SAMPLES * SAMPLES)) as u8);
            }
        }
    }
    pixels
}

fn at((x, y): (f64, f64)) -> (i32, i32) {
    ((x * SCALE).round() as i32, (y * SCALE).round() as i32)
}

fn colour(colour: Colour) -> RGBAColor {
    let [r, g, b] = colour.rgb;
    RGBColor(r, g, b).mix(colour.alpha)
}

fn filled(ink: Colour) -> ShapeStyle {
    ShapeStyle { color: colour(ink), filled: true, stroke_width: 1 }
}

fn reason(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_cut_a_line_across_its_corners() {
        let corner = [(0.0, 0.0), (6.0, 0.0), (6.0, 14.0)];
        assert_eq!(
            pieces(&corner, Some((9.0, 5.0))),
            [vec![(0.0, 0.0), (6.0, 0.0), (6.0, 3.0)], vec![(6.0, 8.0), (6.0, 14.0)]]
        );
    }
}
