//! Bytes on the wire for one delivery, layer by layer, both directions.

use results::numbers::{NOT_MEASURED, count, number, size};
use results::{Bytes, Layers, LoadedRun};

use crate::drawing::{Bar, Drawing, Key, Row, bars, header, height_of};
use crate::groups::Contender;
use crate::style::{Colour, FRAMING, PAYLOAD, TCP_IP, TLS};

/// Name of the image.
pub const FILE: &str = "bytes_per_delivery";
/// What one sees.
pub const CAPTION: &str = "Bytes that crossed the wire for each delivery, in both directions, by layer. Framing is \
    everything in the byte stream that is not payload: HTTP heads, chunk sizes, SSE field names, WebSocket headers, pings \
    and empty polls. TCP/IP is headers, acknowledgements, handshakes and retransmissions, computed from the kernel's \
    segment counts. Of several rounds the median one is shown.";

/// One contender's bytes per delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Its name.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// Layers received and sent; `None` when nothing was delivered.
    pub layers: Option<[PerDelivery; 2]>,
}

/// One direction's bytes per delivery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerDelivery {
    /// Published payload.
    pub payload: f64,
    /// Framing.
    pub framing: f64,
    /// TLS.
    pub tls: f64,
    /// TCP/IP; `None` where the system does not tell.
    pub tcp_ip: Option<f64>,
}

impl PerDelivery {
    fn new(layers: &Layers, deliveries: f64) -> Self {
        let per = |bytes: u64| bytes as f64 / deliveries;
        Self {
            payload: per(layers.payload),
            framing: per(layers.framing),
            tls: per(layers.tls),
            tcp_ip: layers.tcp_ip.map(per),
        }
    }

    fn midpoint(self, other: Self) -> Self {
        Self {
            payload: f64::midpoint(self.payload, other.payload),
            framing: f64::midpoint(self.framing, other.framing),
            tls: f64::midpoint(self.tls, other.tls),
            tcp_ip: self.tcp_ip.zip(other.tcp_ip).map(|(a, b)| f64::midpoint(a, b)),
        }
    }

    fn total(self) -> f64 {
        self.payload + self.framing + self.tls + self.tcp_ip.unwrap_or_default()
    }
}

/// Takes the round whose total is the median, so that the layers shown add up to it (two middle rounds are averaged).
pub fn select(contenders: &[Contender<'_>]) -> Vec<Share> {
    let share = |contender: &Contender<'_>| {
        let bytes = |run: &LoadedRun| run.run.measured.bytes.clone();
        let mut rounds: Vec<Bytes> = contender.used.iter().map(|run| bytes(run)).collect();
        rounds.retain(|bytes| bytes.deliveries > 0);
        rounds.sort_by(|a, b| a.per_delivery().unwrap_or_default().total_cmp(&b.per_delivery().unwrap_or_default()));
        let layers = |bytes: &Bytes| {
            [&bytes.received, &bytes.sent].map(|layers| PerDelivery::new(layers, bytes.deliveries as f64))
        };
        let (upper, lower) = (rounds.get(rounds.len() / 2), rounds.get(rounds.len().saturating_sub(1) / 2));
        let middle = lower.zip(upper).map(|(lower, upper)| {
            let ([down, up], [other_down, other_up]) = (layers(lower), layers(upper));
            [down.midpoint(other_down), up.midpoint(other_up)]
        });
        Share { label: contender.label.clone(), colour: contender.colour, layers: middle }
    };
    contenders.iter().map(share).collect()
}

/// Draws two stacked bars per contender: received, then sent.
pub fn draw(shares: &[Share], subtitle: &str) -> Drawing {
    let mut drawing = Drawing::new("Bytes on the wire per delivery");
    let rows: Vec<Row> = shares.iter().map(row).collect();
    drawing.height = height_of(&rows);
    let with_tls = shares.iter().filter_map(|share| share.layers).flatten().any(|layers| layers.tls > 0.0);
    let mut legend = vec![("payload", PAYLOAD), ("framing", FRAMING), ("TLS", TLS), ("TCP/IP", TCP_IP)];
    legend.retain(|(name, _)| with_tls || *name != "TLS");
    let legend: Vec<Key> = legend.into_iter().map(|(label, colour)| Key { colour, label: label.to_owned() }).collect();
    let room = header(&mut drawing, subtitle, &legend);
    bars(&mut drawing, room, &rows, "bytes per delivery", number);
    drawing
}

fn row(share: &Share) -> Row {
    let (detail, bars) = match share.layers {
        None => (String::new(), vec![missing()]),
        Some([received, sent]) => {
            let whole = received.tcp_ip.is_some() && sent.tcp_ip.is_some();
            let where_ = if whole { "on the wire" } else { "of the stream" };
            let detail = format!("{} {where_}", size(received.total() + sent.total()));
            (detail, vec![bar("received", received), bar("sent", sent)])
        }
    };
    Row { label: share.label.clone(), colour: share.colour, detail, bars }
}

fn bar(direction: &str, layers: PerDelivery) -> Bar {
    let PerDelivery { payload, framing, tls, tcp_ip } = layers;
    let told = [("payload", payload), ("framing", framing), ("TLS", tls), ("TCP/IP", tcp_ip.unwrap_or_default())];
    let mut parts: Vec<String> = told
        .into_iter()
        .filter(|(_, value)| *value > 0.0)
        .map(|(name, value)| {
            format!("{name} {}", if value < 10.0 { number(value) } else { count(value.round() as u64) })
        })
        .collect();
    if tcp_ip.is_none() {
        parts.push(format!("TCP/IP {NOT_MEASURED}"));
    }
    Bar {
        segments: vec![(payload, PAYLOAD), (framing, FRAMING), (tls, TLS), (tcp_ip.unwrap_or_default(), TCP_IP)],
        whisker: None,
        value: format!("{direction} {}", size(layers.total())),
        note: parts.join(" + "),
    }
}

fn missing() -> Bar {
    Bar { segments: Vec::new(), whisker: None, value: NOT_MEASURED.to_owned(), note: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_ip_that_was_not_measured_is_said_and_not_drawn_as_zero() {
        let layers = PerDelivery { payload: 100.0, framing: 10.0, tls: 0.0, tcp_ip: None };
        let share = Share { label: "ws".to_owned(), colour: PAYLOAD, layers: Some([layers, layers]) };
        let row = row(&share);
        assert!(row.bars[0].note.ends_with("TCP/IP not measured"), "{}", row.bars[0].note);
        assert_eq!(row.detail, "220 B of the stream");
    }
}
