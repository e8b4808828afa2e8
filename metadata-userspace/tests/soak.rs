//! Less than a minute of `cargo xtask soak`.

use std::time::Duration;

use anyhow::Result;
use xtask::soak::{Plan, soak};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");

#[test]
fn nothing_fails_or_is_left_of_what_came_and_went() -> Result<()> {
    let plan = Plan {
        duration: Duration::from_secs(40),
        between_samples: Duration::from_secs(8),
        seed: 5,
    };
    let report = soak(METADATAD.as_ref(), plan)?;
    println!("{report}");
    report.judge()
}
