//! How many requests Nova is asked at once.

use std::time::Duration;

/// An answer that comes later was behind too many others. A crawl of cloud-init's is
/// some 28 requests, and Nova forgets what it knows of an instance after 15 s
/// (`metadata_cache_expiration`): at this pace most of it is over by then.
const TIMELY: Duration = Duration::from_millis(500);

/// So many at least: one process of Nova's has a few threads.
const FEWEST: f64 = 4.0;
/// Below what its servers' backlogs hold: 100 connections in uwsgi's.
const MOST: f64 = 64.0;
const AT_FIRST: f64 = 16.0;

/// Grows while answers are timely, and shrinks while they are not, as TCP's window does.
#[derive(Debug)]
pub(super) struct Window(f64);

impl Default for Window {
    fn default() -> Self {
        Self(AT_FIRST)
    }
}

impl Window {
    pub(super) fn has_room_for_one_more_than(&self, under_way: usize) -> bool {
        u32::try_from(under_way).is_ok_and(|under_way| f64::from(under_way) + 1.0 <= self.0)
    }

    /// An answer came after so long, while others waited for a place.
    pub(super) fn answered(&mut self, after: Duration) {
        let size = match after <= TIMELY {
            true => self.0 + 1.0 / self.0,
            false => self.0 - 0.5,
        };
        self.0 = size.clamp(FEWEST, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(window: &Window) -> usize {
        let mut under_way = 0;
        while window.has_room_for_one_more_than(under_way) {
            under_way += 1;
        }
        under_way
    }

    #[test]
    fn it_follows_how_nova_keeps_up() {
        let mut window = Window::default();
        assert_eq!(room(&window), 16);
        (0..10_000).for_each(|_| window.answered(Duration::from_millis(50)));
        assert_eq!(room(&window), 64);
        (0..100).for_each(|_| window.answered(Duration::from_secs(2)));
        assert_eq!(room(&window), 14);
        (0..100).for_each(|_| window.answered(Duration::from_secs(2)));
        assert_eq!(room(&window), 4);
    }
}
