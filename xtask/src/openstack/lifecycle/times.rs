//! How long a new router's guests wait for metadata.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::estate::{self, Network, Router};
use super::lab::Lab;
use super::ledger::Ledger;
use super::link::{self, Link};
use super::visitor::Visitor;
use crate::stop;

const ROUNDS: usize = 3;
/// For a connection; the next attempt follows at once.
const IMPATIENT: Duration = Duration::from_millis(30);

/// From the request to Neutron's API that gives a router its interface to the answer
/// that a guest behind it gets.
pub(super) fn appearing(lab: &Lab<'_>, ledger: &mut Ledger) -> Result<()> {
    let haproxy = rounds(lab, |_| Ok(()))?;
    note(ledger, "Neutron's haproxy and agent", haproxy);

    let linked = Link::make(lab)?;
    let ours = link::start(lab, &[])?;
    let shim = rounds(lab, |_| Ok(()));
    drop(linked);
    drop(ours);
    link::give_back(lab)?;
    note(ledger, "metadatad, told by its shim", shim?);

    let watch = rounds(lab, |router| link::start(lab, &[router.namespace()]));
    link::give_back(lab)?;
    note(ledger, "metadatad, which watches", watch?);
    Ok(())
}

/// The durations, while what `prepare` returns lives.
fn rounds<T>(lab: &Lab<'_>, prepare: impl Fn(&Router) -> Result<T>) -> Result<Vec<Duration>> {
    let mut durations = Vec::new();
    for _ in 0..ROUNDS {
        let network = Network::make(lab, "times")?;
        let subnet = network.address(lab, "10.59.0.0/24", false)?;
        let visitor = Visitor::plug(lab, &network)?.configure("10.59.0.1")?;
        let router = Router::make(lab, "times", &json!({}))?;
        let prepared = prepare(&router)?;
        let start = Instant::now();
        router.connect(lab, &subnet)?;
        let limit = start + super::LIMIT;
        while visitor.ask_within(IMPATIENT).is_err() {
            stop::check()?;
            ensure!(
                Instant::now() < limit,
                "a new router's guest gets no answer"
            );
        }
        durations.push(start.elapsed());
        drop(prepared);
        drop(visitor);
        estate::sweep(&lab.api)?;
    }
    durations.sort_unstable();
    Ok(durations)
}

fn note(ledger: &mut Ledger, who: &str, durations: Vec<Duration>) {
    let shown: Vec<String> = durations.iter().map(|one| format!("{one:.2?}")).collect();
    let line = format!(
        "from the API's request for a router's interface to a guest's answer, {who}: {}",
        shown.join(", ")
    );
    eprintln!("         {line}");
    ledger.measured.push(line);
}
