//! What all plots are drawn on and with. The paper is white, so that they can be read on a
//! dark page too.

use svg::Document;
use svg::node::element::{Description, Line, Rectangle, Text, Title};

pub(super) const WIDTH: f64 = 800.0;
pub(super) const MARGIN: f64 = 16.0;
/// Where the plot begins, below its caption.
pub(super) const TOP: f64 = 40.0;

pub(super) const PAPER: &str = "#ffffff";
pub(super) const INK: &str = "#1a1a1a";
pub(super) const PALE_INK: &str = "#595959";
pub(super) const GRID: &str = "#e0e0e0";

const FONT_SIZE: f64 = 12.0;
/// Of a letter in the widest of the usual fonts: which one there is, the reader's machine
/// knows.
const LETTER: f64 = 7.1;

/// An empty sheet; `words` tell all figures to those who do not see them.
pub(super) fn sheet(height: f64, title: &str, words: &str) -> Document {
    let words = Description::new().add(svg::node::Text::new(words));
    let paper = Rectangle::new().set("width", WIDTH).set("height", height);
    Document::new()
        .set("width", WIDTH)
        .set("height", height)
        .set("viewBox", (0, 0, WIDTH, height))
        .set("role", "img")
        .set("aria-labelledby", "title words")
        .set("font-family", "sans-serif")
        .set("font-size", FONT_SIZE)
        .add(Title::new(title).set("id", "title"))
        .add(words.set("id", "words"))
        .add(paper.set("fill", PAPER))
}

pub(super) fn caption(content: &str) -> Text {
    text((MARGIN, MARGIN + FONT_SIZE), "start", PALE_INK, content)
}

pub(super) fn text((x, y): (f64, f64), anchor: &str, colour: &str, content: &str) -> Text {
    Text::new(content)
        .set("x", x)
        .set("y", y)
        .set("text-anchor", anchor)
        .set("fill", colour)
}

pub(super) fn line(from: (f64, f64), to: (f64, f64), colour: &str, width: f64) -> Line {
    Line::new()
        .set("x1", from.0)
        .set("y1", from.1)
        .set("x2", to.0)
        .set("y2", to.1)
        .set("stroke", colour)
        .set("stroke-width", width)
}

/// How wide a text is at most.
pub(in crate::bench::page) fn width(text: &str) -> f64 {
    LETTER * number(text.chars().count())
}

/// Of Okabe and Ito's palette, which colour-blind people can tell apart.
pub(super) fn colour(name: &str) -> &'static str {
    let is_theirs = || {
        ["haproxy", "iptables", "Neutron"]
            .iter()
            .any(|word| name.contains(word))
    };
    match name {
        "metadatad" | "TC steering" => "#0072b2",
        _ if name.starts_with("metadatad") => "#56b4e9",
        _ if is_theirs() => "#d55e00",
        _ => "#7f7f7f",
    }
}

/// To a tenth of a pixel: more would only be noise in the file.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[allow(clippy::cast_precision_loss, reason = "rows, letters and guests")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}
