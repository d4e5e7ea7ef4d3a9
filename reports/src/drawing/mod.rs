//! A drawing as a list of shapes in logical pixels, laid out once and then written as SVG and as PNG.

mod bars;
mod chart;
mod fonts;
mod panels;
mod png;
mod scale;
mod svg;

pub use bars::{Bar, Row, bars, height_of};
pub use chart::{Axis, Key, Panel, axes, data_area, header, mark};
pub use fonts::{BOLD_TTF, REGULAR_TTF, Weight, fitted, text_width, wrapped};
pub use panels::{Block, height_of_panels, panels};
pub use png::png;
pub use scale::{Scale, Tick};
pub use svg::{escaped, font_faces, standalone_svg, svg};

use crate::style::{Colour, HEIGHT, WIDTH};

/// Everything that one image shows.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// Width in logical pixels.
    pub width: f64,
    /// Height in logical pixels.
    pub height: f64,
    /// What the image shows, for those who cannot see it.
    pub title: String,
    /// Shapes, the lowest first.
    pub shapes: Vec<Shape>,
}

/// One thing to draw.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A line through points.
    Line {
        /// Points, logical pixels.
        points: Vec<(f64, f64)>,
        /// How it is drawn.
        stroke: Stroke,
    },
    /// A filled polygon.
    Area {
        /// Corners, logical pixels.
        points: Vec<(f64, f64)>,
        /// Its colour.
        colour: Colour,
    },
    /// A line of text.
    Text(Label),
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Stroke {
    /// Colour of the line.
    pub colour: Colour,
    /// Width, logical pixels.
    pub width: f64,
    /// Lengths of dash and gap; `None` for a solid line.
    pub dash: Option<(f64, f64)>,
}

impl Stroke {
    /// A solid line.
    pub fn solid(colour: Colour, width: f64) -> Self {
        Self { colour, width, dash: None }
    }

    /// A dashed line.
    pub fn dashed(colour: Colour, width: f64) -> Self {
        Self { colour, width, dash: Some((9.0, 5.0)) }
    }
}

/// Which end of a text its position names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The first letter.
    Start,
    /// The middle.
    Middle,
    /// The last letter.
    End,
}

/// A line of text at a place.
#[derive(Debug, Clone)]
pub struct Label {
    /// What it says.
    pub text: String,
    /// Anchor and baseline, logical pixels.
    pub at: (f64, f64),
    /// Which end of the text is at the anchor.
    pub anchor: Anchor,
    /// Pixels per em.
    pub size: f64,
    /// Weight of the letters.
    pub weight: Weight,
    /// Colour of the letters.
    pub colour: Colour,
    /// True when it reads from bottom to top.
    pub turned: bool,
}

/// A rectangle, logical pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

impl Rect {
    /// True when some of `other` lies in this one.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}

impl Label {
    /// The room that the letters take.
    pub fn extent(&self) -> Rect {
        let width = text_width(&self.text, self.size, self.weight);
        let before = match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
        let (x, y) = self.at;
        let (up, down) = (0.76 * self.size, 0.22 * self.size);
        if self.turned {
            Rect { left: x - up, top: y - width + before, right: x + down, bottom: y + before }
        } else {
            Rect { left: x - before, top: y - up, right: x - before + width, bottom: y + down }
        }
    }
}

impl Drawing {
    /// An empty drawing of the usual size.
    pub fn new(title: &str) -> Self {
        Self { width: WIDTH, height: HEIGHT, title: title.to_owned(), shapes: Vec::new() }
    }

    /// Adds a line.
    pub fn line(&mut self, points: Vec<(f64, f64)>, stroke: Stroke) {
        self.shapes.push(Shape::Line { points, stroke });
    }

    /// Adds a filled rectangle.
    pub fn rect(&mut self, rect: Rect, colour: Colour) {
        let Rect { left, top, right, bottom } = rect;
        let points = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
        self.shapes.push(Shape::Area { points, colour });
    }

    /// Adds a line of plain text whose baseline starts, ends or has its middle at `at`.
    pub fn text(&mut self, text: impl Into<String>, at: (f64, f64), anchor: Anchor, size: f64, colour: Colour) {
        let label = Label { text: text.into(), at, anchor, size, weight: Weight::Regular, colour, turned: false };
        // Panels that share an axis leave its words to the last of them.
        if label.text.is_empty() {
            return;
        }
        self.shapes.push(Shape::Text(label));
    }

    /// Adds a line of bold text.
    pub fn bold(&mut self, text: impl Into<String>, at: (f64, f64), anchor: Anchor, size: f64, colour: Colour) {
        let label = Label { text: text.into(), at, anchor, size, weight: Weight::Bold, colour, turned: false };
        self.shapes.push(Shape::Text(label));
    }

    /// All texts.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.shapes.iter().filter_map(|shape| match shape {
            Shape::Text(label) => Some(label),
            Shape::Line { .. } | Shape::Area { .. } => None,
        })
    }

    /// Moves everything down and grows by as much.
    fn push_down(&mut self, by: f64) {
        for shape in &mut self.shapes {
            match shape {
                Shape::Line { points, .. } | Shape::Area { points, .. } => points.iter_mut().for_each(|p| p.1 += by),
                Shape::Text(label) => label.at.1 += by,
            }
        }
        self.height += by;
    }

    /// Labels that leave the image, or lie on another one.
    #[doc(hidden)]
    pub fn misplaced_labels(&self) -> Vec<String> {
        let page = Rect { left: 0.0, top: 0.0, right: self.width, bottom: self.height };
        let placed: Vec<_> = self.labels().map(|label| (label, label.extent())).collect();
        let mut found = Vec::new();
        for (index, (label, extent)) in placed.iter().enumerate() {
            let inside = extent.left >= page.left
                && extent.right <= page.right
                && extent.top >= page.top
                && extent.bottom <= page.bottom;
            if !inside {
                found.push(format!("{:?} leaves the image", label.text));
            }
            for (other, room) in &placed[index + 1..] {
                if extent.overlaps(room) {
                    found.push(format!("{:?} lies on {:?}", label.text, other.text));
                }
            }
        }
        found
    }
}
