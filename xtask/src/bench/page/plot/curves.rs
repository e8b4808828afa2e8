//! A plot of how many have something by when.

use svg::Document;
use svg::node::element::Polyline;

use super::axis::Axis;
use super::paper::{self, GRID, INK, MARGIN, PALE_INK, WIDTH};
use crate::bench::page::numbers::{Unit, figure};

const LEFT: f64 = 60.0;
/// Room for half of the last figure of the axis.
const RIGHT: f64 = WIDTH - 40.0;
const HEIGHT: f64 = 260.0;
const LEGEND_LINE: f64 = 20.0;
const SWATCH: f64 = 32.0;
/// Colours alone do not tell curves apart: ours has none.
const DASHES: [&str; 4] = ["8 4", "2 3", "10 3 2 3", "14 5"];
const OURS: &str = "metadatad";

/// When the slowest takes so many times as long, the quickest needs more room.
const MOST_TIMES: f64 = 4.0;

/// What such a plot shows.
#[derive(Clone, Debug)]
pub(in crate::bench::page) struct Curves {
    pub(in crate::bench::page) caption: String,
    /// How many there are.
    pub(in crate::bench::page) of: usize,
    /// Those of one name look the same.
    pub(in crate::bench::page) curves: Vec<Curve>,
}

/// When one after the other had it: seconds, sorted.
#[derive(Clone, Debug)]
pub(in crate::bench::page) struct Curve {
    pub(in crate::bench::page) name: String,
    pub(in crate::bench::page) at: Vec<f64>,
}

impl Curves {
    /// The SVG, the same for the same figures.
    pub(in crate::bench::page) fn svg(&self, title: &str) -> String {
        let layout = Layout::of(self);
        let mut drawing = paper::sheet(layout.bottom + 32.0, title, &self.in_words());
        drawing = drawing.add(paper::caption(&layout.axis.caption(&self.caption)));
        drawing = self.legend(drawing);
        drawing = self.grid(drawing, &layout);
        for curve in &self.curves {
            drawing = drawing.add(self.line(curve, &layout));
        }
        format!("{drawing}\n")
    }

    fn in_words(&self) -> String {
        let words = self.curves.iter().map(|curve| {
            let last = curve.at.last().map_or(String::new(), |last| {
                format!(", the last after {}", Unit::Time.text(*last))
            });
            format!("{}: {} of {}{last}", curve.name, curve.at.len(), self.of)
        });
        words.collect::<Vec<_>>().join("; ")
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for curve in &self.curves {
            if !names.contains(&curve.name.as_str()) {
                names.push(&curve.name);
            }
        }
        names
    }

    fn dashes(&self, name: &str) -> &'static str {
        let mut others = self.names().into_iter().filter(|this| *this != OURS);
        let number = others.position(|this| this == name);
        let dashes = number.and_then(|number| DASHES.get(number % DASHES.len()));
        dashes.copied().unwrap_or("none")
    }

    fn legend(&self, mut drawing: Document) -> Document {
        let mut y = paper::TOP + LEGEND_LINE / 2.0;
        for name in self.names() {
            let swatch = paper::line((MARGIN, y), (MARGIN + SWATCH, y), paper::colour(name), 2.5);
            let text_left = MARGIN + SWATCH + 8.0;
            drawing = drawing
                .add(swatch.set("stroke-dasharray", self.dashes(name)))
                .add(paper::text((text_left, y + 4.0), "start", INK, name));
            y += LEGEND_LINE;
        }
        drawing
    }

    fn grid(&self, mut drawing: Document, layout: &Layout) -> Document {
        for quarter in 0_u8..=4 {
            let guests = paper::number(self.of) * f64::from(quarter) / 4.0;
            let y = layout.y(guests);
            drawing = drawing
                .add(paper::line((LEFT, y), (RIGHT, y), GRID, 1.0))
                .add(paper::text(
                    (LEFT - 8.0, y + 4.0),
                    "end",
                    PALE_INK,
                    &figure(guests),
                ));
        }
        for tick in layout.axis.ticks() {
            let x = layout.x(tick);
            let label = Unit::Time.tick(tick);
            drawing = drawing
                .add(paper::line(
                    (x, layout.top),
                    (x, layout.bottom + 4.0),
                    GRID,
                    1.0,
                ))
                .add(paper::text(
                    (x, layout.bottom + 18.0),
                    "middle",
                    PALE_INK,
                    &label,
                ));
        }
        drawing
    }

    /// Steps up at each time; those that cannot be told apart are one.
    fn line(&self, curve: &Curve, layout: &Layout) -> Polyline {
        let mut steps: Vec<(f64, usize)> = Vec::new();
        for (at, guests) in curve.at.iter().zip(1..) {
            let step = (layout.x(*at), guests);
            match steps.last_mut() {
                Some(last) if last.0 == step.0 => *last = step,
                _ => steps.push(step),
            }
        }
        let mut y = layout.y(0.0);
        let points = steps.into_iter().map(|(x, guests)| {
            let below = std::mem::replace(&mut y, layout.y(paper::number(guests)));
            format!("{x},{below} {x},{y}")
        });
        let points = points.collect::<Vec<_>>();
        Polyline::new()
            .set("points", points.join(" "))
            .set("fill", "none")
            .set("stroke", paper::colour(&curve.name))
            .set("stroke-width", 2)
            .set("stroke-dasharray", self.dashes(&curve.name))
    }
}

/// What is where.
struct Layout {
    axis: Axis,
    of: f64,
    top: f64,
    bottom: f64,
}

impl Layout {
    fn of(curves: &Curves) -> Self {
        let lasts = curves.curves.iter().filter_map(|curve| curve.at.last());
        let lasts: Vec<_> = lasts.copied().collect();
        let all = || curves.curves.iter().flat_map(|curve| &curve.at).copied();
        let (lowest, highest) = (
            all().fold(f64::INFINITY, f64::min),
            all().fold(0.0, f64::max),
        );
        let top = paper::TOP + LEGEND_LINE * paper::number(curves.names().len()) + 16.0;
        Self {
            axis: Axis::with_logarithm_beyond(MOST_TIMES, &lasts, lowest, highest),
            of: paper::number(curves.of.max(1)),
            top,
            bottom: top + HEIGHT,
        }
    }

    fn x(&self, seconds: f64) -> f64 {
        let share = self.axis.place(seconds).clamp(0.0, 1.0);
        paper::rounded(LEFT + share * (RIGHT - LEFT))
    }

    fn y(&self, guests: f64) -> f64 {
        paper::rounded(self.bottom - guests / self.of * HEIGHT)
    }
}
