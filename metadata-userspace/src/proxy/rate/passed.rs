//! What one guest was let do, and whether it may do more: without clock or lock.

use std::collections::VecDeque;
use std::time::Duration;

use super::TooOften;
use crate::config::RateLimits;

/// With more requests in a window than this, those that are near each other count as
/// one point in time: a guest takes some 24 KiB at most.
const MOST_POINTS: u32 = 1024;

/// When a guest's requests passed, the oldest first. Each window is a look back from
/// now, so that no moment is better than another; haproxy estimates the same by two
/// numbers (`http_req_rate`).
#[derive(Debug, Default)]
pub(super) struct Passed {
    points: VecDeque<Point>,
}

/// Requests that passed at about the same time.
#[derive(Debug)]
struct Point {
    first: Duration,
    last: Duration,
    requests: u32,
}

impl Passed {
    /// Why a request at `now` may not pass: of the windows that are full, the one that
    /// stays so longest.
    pub(super) fn full(&self, limits: &RateLimits, now: Duration) -> Option<TooOften> {
        let windows = limits.windows().into_iter();
        let full = windows.filter_map(|window| {
            let freed = self.nth_last(window.requests)? + window.duration;
            let wait = freed.checked_sub(now).filter(|wait| !wait.is_zero())?;
            Some(TooOften { window, wait })
        });
        full.max_by_key(|full| full.wait)
    }

    /// When the `n`-th request before now passed, at the latest.
    fn nth_last(&self, n: u32) -> Option<Duration> {
        let mut requests = 0;
        let mut newest_first = self.points.iter().rev();
        let point = newest_first.find(|point| {
            requests += point.requests;
            requests >= n
        });
        point.map(|point| point.last)
    }

    /// A request passes.
    pub(super) fn add(&mut self, limits: &RateLimits, now: Duration) {
        let longest = limits.longest();
        while self
            .points
            .front()
            .is_some_and(|oldest| oldest.last + longest <= now)
        {
            self.points.pop_front();
        }
        let grain = grain(limits);
        match self.points.back_mut() {
            Some(newest) if now < newest.first + grain => {
                newest.last = now;
                newest.requests = newest.requests.saturating_add(1);
            }
            _ => self.points.push_back(Point {
                first: now,
                last: now,
                requests: 1,
            }),
        }
    }
}

/// How near requests must be to be one point.
fn grain(limits: &RateLimits) -> Duration {
    let most = limits.base.requests.max(limits.burst.requests);
    match most <= MOST_POINTS {
        true => Duration::ZERO,
        false => limits.longest() / MOST_POINTS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RateWindow;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits(base: (u64, u32), burst: (u64, u32)) -> RateLimits {
        let window = |(seconds, requests)| RateWindow {
            duration: Duration::from_secs(seconds),
            requests,
        };
        RateLimits {
            ipv4: true,
            ipv6: true,
            base: window(base),
            burst: window(burst),
        }
    }

    /// Whether a request at each of these times passed.
    fn asked(limits: &RateLimits, times: impl Iterator<Item = Duration>) -> Vec<bool> {
        let mut passed = Passed::default();
        times
            .map(|now| match passed.full(limits, now) {
                Some(_) => false,
                None => {
                    passed.add(limits, now);
                    true
                }
            })
            .collect()
    }

    fn steady(every: Duration, count: u32) -> impl Iterator<Item = Duration> {
        (0..count).map(move |number| every * number)
    }

    #[test]
    fn as_many_as_the_limit_pass_and_the_next_does_not() {
        let limits = limits((10, 3), (10, 10));
        let passed = asked(
            &limits,
            [0, 1, 2, 3, 9, 10, 11, 12, 13]
                .map(|s| SECOND * s)
                .into_iter(),
        );
        let expected = [true, true, true, false, false, true, true, true, false];
        assert_eq!(passed, expected);
    }

    #[test]
    fn a_guest_at_the_allowed_rate_is_never_refused() {
        let limits = limits((10, 10), (2, 2));
        assert!(
            asked(&limits, steady(SECOND, 1000))
                .iter()
                .all(|passed| *passed)
        );
    }

    #[test]
    fn a_guest_that_hammers_gets_what_is_allowed_and_no_less() {
        let limits = limits((10, 3), (10, 3));
        let passed = asked(&limits, steady(SECOND / 4, 4 * 100));
        assert_eq!(passed.iter().filter(|passed| **passed).count(), 30);
    }

    #[test]
    fn the_burst_window_holds_beside_the_base_window() {
        let limits = limits((100, 20), (1, 5));
        let passed = asked(&limits, steady(SECOND / 10, 100));
        let in_second = |second: usize| {
            let requests = passed.iter().skip(second * 10).take(10);
            requests.filter(|passed| **passed).count()
        };
        assert_eq!([0, 1, 2, 3, 4, 5].map(in_second), [5, 5, 5, 5, 0, 0]);
    }

    #[test]
    fn a_refusal_tells_the_window_and_when_it_ends() {
        let limits = limits((60, 4), (2, 2));
        let mut passed = Passed::default();
        for now in [0, 0, 5, 5] {
            let now = SECOND * now;
            assert_eq!(passed.full(&limits, now), None);
            passed.add(&limits, now);
        }
        let full = passed
            .full(&limits, SECOND * 6)
            .map(|full| (full.window, full.wait));
        assert_eq!(full, Some((limits.base, SECOND * 54)));
        assert_eq!(passed.full(&limits, SECOND * 60), None);
    }

    #[test]
    fn a_large_limit_takes_little_memory_and_is_kept() {
        let limits = limits((10, 100_000), (10, 100_000));
        let mut passed = Passed::default();
        let mut let_through = 0;
        // Twice what is allowed.
        for number in 0..400_000 {
            let now = Duration::from_micros(50) * number;
            if passed.full(&limits, now).is_none() {
                passed.add(&limits, now);
                let_through += 1;
            }
        }
        assert!((199_000..=200_000).contains(&let_through), "{let_through}");
        assert!(passed.points.len() <= 1026, "{}", passed.points.len());
    }

    proptest::proptest! {
        #[test]
        fn no_time_of_the_windows_length_sees_more(
            pauses in proptest::collection::vec(0_u64..3_000, 1..200),
            requests in 1_u32..6,
        ) {
            let limits = limits((5, requests), (2, 3));
            let mut now = Duration::ZERO;
            let times: Vec<_> = pauses.iter().map(|pause| {
                now += Duration::from_millis(*pause);
                now
            }).collect();
            let passed = asked(&limits, times.iter().copied());
            let passed: Vec<_> = times.iter().zip(passed).filter(|(_, p)| *p).map(|(t, _)| *t).collect();
            for window in limits.windows() {
                for end in &passed {
                    let inside = passed.iter().filter(|t| *t <= end && *end - **t < window.duration);
                    proptest::prop_assert!(inside.count() <= window.requests as usize);
                }
            }
        }
    }
}
