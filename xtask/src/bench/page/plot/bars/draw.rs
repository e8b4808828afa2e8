//! A bar for each row, or a dot where the axis is logarithmic.

use svg::node::element::{Circle, Line, Rectangle};
use svg::{Document, Node};

use super::{Bars, Group, Row};
use crate::bench::page::plot::axis::Axis;
use crate::bench::page::plot::paper::{
    self, GRID, INK, MARGIN, PALE_INK, PAPER, TOP, WIDTH, line, number, rounded, text, width,
};

const GROUP: f64 = 24.0;
const ROW: f64 = 20.0;
const BAR: f64 = 13.0;
/// Half of its width.
const DOT: f64 = 4.5;
const BETWEEN_GROUPS: f64 = 8.0;
const AXIS: f64 = 32.0;
/// Between a name, a bar and its figure.
const GAP: f64 = 8.0;

/// Farther apart, and the shortest bar is a hair.
const MOST_TIMES: f64 = 40.0;

/// Draws all rows.
pub(super) fn svg(bars: &Bars, title: &str) -> String {
    let layout = Layout::of(bars);
    let sheet = paper::sheet(layout.bottom + AXIS, title, &bars.in_words());
    let mut drawing = Drawing {
        bars,
        sheet: sheet.add(paper::caption(&layout.axis.caption(&bars.caption))),
        layout,
    };
    drawing.axis();
    let mut top = TOP;
    for group in &bars.groups {
        drawing.group(group, top);
        top += height(group) + BETWEEN_GROUPS;
    }
    format!("{}\n", drawing.sheet)
}

/// What is where.
struct Layout {
    axis: Axis,
    left: f64,
    right: f64,
    bottom: f64,
}

struct Drawing<'a> {
    bars: &'a Bars,
    layout: Layout,
    sheet: Document,
}

impl Layout {
    fn of(bars: &Bars) -> Self {
        let rows = || bars.groups.iter().flat_map(|group| &group.rows);
        let names = rows().map(|row| width(&row.name));
        let labels = rows().map(|row| width(&bars.label(row)));
        let medians: Vec<_> = rows().map(|row| row.value.median).collect();
        let lowest = rows().map(|row| row.value.lowest);
        let highest = rows().map(|row| row.value.highest);
        let groups = bars.groups.iter().map(height).sum::<f64>();
        let between = BETWEEN_GROUPS * number(bars.groups.len().saturating_sub(1));
        Self {
            axis: Axis::with_logarithm_beyond(
                MOST_TIMES,
                &medians,
                lowest.fold(f64::INFINITY, f64::min),
                highest.fold(f64::NEG_INFINITY, f64::max),
            ),
            left: MARGIN + names.fold(0.0, f64::max) + GAP,
            right: WIDTH - MARGIN - labels.fold(0.0, f64::max) - GAP,
            bottom: TOP + groups + between,
        }
    }

    fn x(&self, value: f64) -> f64 {
        let share = self.axis.place(value).clamp(0.0, 1.0);
        rounded(self.left + share * (self.right - self.left))
    }
}

impl Drawing<'_> {
    /// The figures below, as far as there is room; powers of ten have it first.
    fn axis(&mut self) {
        let is_power_of_ten = |tick: &f64| tick.log10().fract().abs() < 1e-9;
        let ticks = self.layout.axis.ticks().into_iter();
        let (first, rest): (Vec<_>, Vec<_>) = ticks.partition(is_power_of_ten);
        let mut taken: Vec<(f64, f64)> = Vec::new();
        for tick in first.into_iter().chain(rest) {
            let x = self.layout.x(tick);
            let label = self.bars.unit.tick(tick);
            let half = (width(&label) + GAP) / 2.0;
            let (left, right) = (x - half, x + half);
            if taken.iter().all(|(from, to)| right < *from || left > *to) {
                let place = (x, self.layout.bottom + 18.0);
                self.sheet.append(text(place, "middle", PALE_INK, &label));
                taken.push((left, right));
            }
        }
    }

    fn group(&mut self, group: &Group, mut top: f64) {
        if !group.name.is_empty() {
            let name = text((MARGIN, top + 15.0), "start", INK, &group.name);
            self.sheet.append(name.set("font-weight", "bold"));
            top += GROUP;
        }
        self.grid(top, top + ROW * number(group.rows.len()));
        for row in &group.rows {
            self.row(row, top + ROW / 2.0);
            top += ROW;
        }
    }

    fn grid(&mut self, top: f64, bottom: f64) {
        for tick in self.layout.axis.ticks() {
            let x = self.layout.x(tick);
            self.sheet.append(line((x, top), (x, bottom), GRID, 1.0));
        }
    }

    fn row(&mut self, row: &Row, y: f64) {
        let baseline = y + 4.0;
        let name = text((self.layout.left - GAP, baseline), "end", INK, &row.name);
        self.sheet.append(name);
        let colour = paper::colour(&row.name);
        match self.layout.axis.is_logarithmic() {
            true => self.dot(row, y, colour),
            false => self.bar(row, y, colour),
        }
        let right = self.layout.x(row.value.highest);
        let right = right.max(self.layout.x(row.value.median) + DOT);
        let label = self.bars.label(row);
        self.sheet
            .append(text((right + GAP, baseline), "start", INK, &label));
    }

    /// From zero, so that lengths can be compared.
    fn bar(&mut self, row: &Row, y: f64, colour: &str) {
        let (zero, median) = (self.layout.x(0.0), self.layout.x(row.value.median));
        let bar = Rectangle::new()
            .set("x", zero.min(median))
            .set("y", y - BAR / 2.0)
            .set("width", rounded((median - zero).abs()))
            .set("height", BAR)
            .set("fill", colour);
        self.sheet.append(bar);
        // So that the range is seen on a dark bar.
        self.sheet.append(self.range(row, y, PAPER, 3.5));
        self.sheet.append(self.range(row, y, INK, 1.5));
    }

    /// The length of a bar would mean nothing.
    fn dot(&mut self, row: &Row, y: f64, colour: &str) {
        let median = self.layout.x(row.value.median);
        let dot = Circle::new()
            .set("cx", median)
            .set("cy", y)
            .set("r", DOT)
            .set("fill", colour);
        self.sheet
            .append(line((self.layout.left, y), (median, y), GRID, 1.0));
        self.sheet.append(self.range(row, y, INK, 1.5));
        self.sheet.append(dot);
    }

    fn range(&self, row: &Row, y: f64, colour: &str, width: f64) -> Line {
        let (lowest, highest) = (
            self.layout.x(row.value.lowest),
            self.layout.x(row.value.highest),
        );
        line((lowest, y), (highest, y), colour, width)
    }
}

fn height(group: &Group) -> f64 {
    let rows = ROW * number(group.rows.len());
    match group.name.is_empty() {
        true => rows,
        false => rows + GROUP,
    }
}
