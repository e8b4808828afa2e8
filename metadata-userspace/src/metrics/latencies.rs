//! How long things took. Each thread counts in memory of its own: requests must not wait
//! for each other to be counted.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::sharded::Sharded;

/// From a tenth of a millisecond, a warm local answer, to the 32 s after which
/// every guest has given up.
const BOUNDS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 32.0,
];

/// What is longer than all of them has a bucket too.
const BUCKETS: usize = BOUNDS.len() + 1;

/// A histogram.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Arc<Sharded<Mutex<Counted>>>);

#[derive(Debug, Default)]
struct Counted {
    seconds: f64,
    buckets: [u64; BUCKETS],
}

impl Latencies {
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        let Some((_, own)) = self.0.own() else { return };
        let mut own = lock(own);
        own.seconds += seconds;
        if let Some(count) = own.buckets.get_mut(bucket) {
            *count += 1;
        }
    }

    fn of_all_threads(&self) -> Counted {
        let mut sum = Counted::default();
        for shard in (0..).map_while(|index| self.0.get(index)) {
            let shard = lock(shard);
            sum.seconds += shard.seconds;
            for (all, own) in sum.buckets.iter_mut().zip(shard.buckets) {
                *all += own;
            }
        }
        sum
    }
}

impl EncodeMetric for Latencies {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Counted { seconds, buckets } = self.of_all_threads();
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let bounded: Vec<_> = bounds.zip(buckets).collect();
        let count = buckets.iter().sum();
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &bounded, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

fn lock(counted: &Mutex<Counted>) -> MutexGuard<'_, Counted> {
    counted.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::thread;

    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn what_all_threads_saw_is_shown_as_one() {
        let latencies = Latencies::default();
        let threads = [100, 101, 40_000_000].map(|micros| {
            let latencies = latencies.clone();
            thread::spawn(move || latencies.observe(Duration::from_micros(micros)))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        let mut registry = Registry::default();
        registry.register("took", "Time", latencies);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "took_sum 40.000201",
            "took_count 3",
            "took_bucket{le=\"0.0001\"} 1",
            "took_bucket{le=\"0.00025\"} 2",
            "took_bucket{le=\"32.0\"} 2",
            "took_bucket{le=\"+Inf\"} 3",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }
}
