//! Plots of what was measured.

mod axis;
pub(super) mod bars;
pub(super) mod curves;
mod paper;

use self::bars::Bars;
use self::curves::Curves;
#[cfg(test)]
pub(super) use self::paper::width;

/// One of them.
#[derive(Clone, Debug)]
pub(super) enum Plot {
    Bars(Bars),
    Curves(Curves),
}

impl Plot {
    /// What the figures are.
    pub(super) fn caption(&self) -> &str {
        match self {
            Self::Bars(bars) => &bars.caption,
            Self::Curves(curves) => &curves.caption,
        }
    }

    /// The SVG, the same for the same figures.
    pub(super) fn svg(&self, title: &str) -> String {
        match self {
            Self::Bars(bars) => bars.svg(title),
            Self::Curves(curves) => curves.svg(title),
        }
    }
}
