//! How everything looks: one colour per transport, one set of sizes, for plots and page alike.

/// An opaque colour, or one that lets through what lies below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour {
    /// Red, green and blue, 0 to 255.
    pub rgb: [u8; 3],
    /// Opacity, 0 to 1.
    pub alpha: f64,
}

impl Colour {
    const fn hex(rgb: u32) -> Self {
        Self { rgb: [(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8], alpha: 1.0 }
    }

    /// The same colour, `alpha` opaque.
    pub const fn faded(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }

    /// The same colour as paper would show it faded, but opaque.
    pub fn tinted(self) -> Self {
        self.mixed(PAPER, 0.55)
    }

    /// The same colour, nearer to ink.
    pub fn darkened(self) -> Self {
        self.mixed(INK, 0.55)
    }

    /// As CSS and SVG write it, opacity left out.
    pub fn css(self) -> String {
        let [r, g, b] = self.rgb;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// Mixed with `other`; `share` of it is `other`.
    fn mixed(self, other: Self, share: f64) -> Self {
        let mix = |a: u8, b: u8| (f64::from(a) * (1.0 - share) + f64::from(b) * share).round() as u8;
        let rgb = std::array::from_fn(|i| mix(self.rgb[i], other.rgb[i]));
        Self { rgb, ..self }
    }
}

/// Text and axes.
pub const INK: Colour = Colour::hex(0x1f2430);
/// Notes, units, whatever explains rather than says.
pub const QUIET: Colour = Colour::hex(0x5b6472);
/// Grid lines.
pub const GRID: Colour = Colour::hex(0xe3e6eb);
/// Behind everything.
pub const PAPER: Colour = Colour::hex(0xffffff);
/// Says that a measurement is not to be believed, or that something was lost.
pub const ALARM: Colour = Colour::hex(0xb3261e);
/// Says that a measurement is to be read with care.
pub const CAUTION: Colour = Colour::hex(0x8a5a00);
/// Says that nothing was lost.
pub const CALM: Colour = Colour::hex(0xe8f4ef);

/// Published payloads, in stacks of bytes.
pub const PAYLOAD: Colour = Colour::hex(0x2b2d52);
/// Framing, in stacks of bytes.
pub const FRAMING: Colour = Colour::hex(0x8481b8);
/// TLS, in stacks of bytes.
pub const TLS: Colour = Colour::hex(0xc9a3c7);
/// TCP/IP, in stacks of bytes.
pub const TCP_IP: Colour = Colour::hex(0xc6ccd6);

/// Wirelab's own programs, in user mode, beside others.
pub const OURS: Colour = Colour::hex(0x0072b2);
/// What the kernel does for them.
pub const OURS_IN_KERNEL: Colour = Colour::hex(0x8fc4e4);
/// Everybody else in user mode, beside Wirelab's own.
pub const OTHERS: Colour = Colour::hex(0x666d7a);
/// What the kernel does for them.
pub const OTHERS_IN_KERNEL: Colour = Colour::hex(0xc6ccd6);

/// Family that page and plots ask for; the report carries it along.
pub const FONT_FAMILY: &str = "Wirelab Roboto, Roboto, Helvetica, Arial, sans-serif";
/// Pixels per em of a plot's title.
pub const TITLE_SIZE: f64 = 27.0;
/// Pixels per em of legends, labels of rows and values.
pub const LABEL_SIZE: f64 = 17.0;
/// Pixels per em of axes and notes.
pub const SMALL_SIZE: f64 = 15.0;
/// Width of a plot, pixels.
pub const WIDTH: f64 = 1200.0;
/// Height of a plot, pixels; a plot with many rows may need more.
pub const HEIGHT: f64 = 720.0;

/// The transports of Wirelab in the order in which they are always told, with their colours (Okabe and Ito's palette). The
/// server's teaching page uses the same ones.
const TRANSPORTS: [(&str, Colour); 5] = [
    ("short-poll", Colour::hex(0xe69f00)),
    ("long-poll", Colour::hex(0xcc79a7)),
    ("sse", Colour::hex(0x009e73)),
    ("ws", Colour::hex(0x0072b2)),
    ("socketio", Colour::hex(0xd55e00)),
];
/// Further colours, the first two of the same palette, for transports that this build does not know.
const STRANGERS: [Colour; 4] =
    [Colour::hex(0x56b4e9), Colour::hex(0x000000), Colour::hex(0xa89a00), Colour::hex(0x7a5195)];

/// Where a transport stands in every list; strangers follow in their own order.
pub fn rank(transport: &str) -> usize {
    TRANSPORTS.iter().position(|(name, _)| *name == transport).unwrap_or(TRANSPORTS.len())
}

/// Colour of a transport; `stranger` counts the unknown ones, `variant` the workloads that share the transport.
pub fn transport_colour(transport: &str, stranger: usize, variant: usize) -> Colour {
    let base = TRANSPORTS
        .iter()
        .find(|(name, _)| *name == transport)
        .map_or(STRANGERS[stranger % STRANGERS.len()], |(_, colour)| *colour);
    match variant {
        0 => base,
        odd if odd % 2 == 1 => base.mixed(INK, (0.45 + 0.1 * odd as f64).min(0.8)),
        even => base.mixed(PAPER, (0.2 + 0.12 * even as f64).min(0.65)),
    }
}

/// Colour of one of several servers that are compared over one transport: the feed, the first, has the transport's own, and the
/// others each another hue; beyond those, shades.
pub fn server_colour(transport: &str, place: usize) -> Colour {
    let own = transport_colour(transport, 0, 0);
    let others = STRANGERS.iter().chain(TRANSPORTS.iter().map(|(_, colour)| colour)).copied();
    let hues: Vec<Colour> = std::iter::once(own).chain(others.filter(|colour| *colour != own)).collect();
    hues.get(place).copied().unwrap_or_else(|| transport_colour(transport, 0, place + 1 - hues.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_are_compared_over_one_transport_have_hues_of_their_own() {
        let mut seen: Vec<_> = (0..9).map(|place| server_colour("ws", place).css()).collect();
        assert_eq!(seen[0], transport_colour("ws", 0, 0).css(), "the feed looks as it always does");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 9);
    }

    #[test]
    fn no_two_transports_share_a_colour_and_variants_differ() {
        let mut seen: Vec<_> = TRANSPORTS.iter().map(|(name, _)| transport_colour(name, 0, 0).css()).collect();
        seen.extend((0..4).map(|stranger| transport_colour("carrier-pigeon", stranger, 0).css()));
        seen.extend((1..4).map(|variant| transport_colour("ws", 0, variant).css()));
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }
}
