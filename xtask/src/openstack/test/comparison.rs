//! Whether an answer is Neutron's, or differs for a known reason.

use super::combination::Combination;
use super::difference::{Difference, Hop};
use super::outcome::Outcome;
use super::request::Request;

/// What is to be said of one answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    Equal,
    Explained(&'static Difference),
    Different,
}

/// Compares an outcome with that of Neutron's hops alone.
pub(super) fn judge(
    combination: Combination,
    request: &Request,
    reference: &Outcome,
    outcome: &Outcome,
) -> Verdict {
    if outcome.essence() == reference.essence() {
        return Verdict::Equal;
    }
    let explanation = request.differences.iter().find(|difference| {
        concerns(difference.hop, combination) && difference.explains(reference, outcome)
    });
    explanation.map_or(Verdict::Different, Verdict::Explained)
}

fn concerns(hop: Hop, combination: Combination) -> bool {
    let (proxy, agent) = (combination.our_proxy, combination.our_agent.is_some());
    match hop {
        Hop::Proxy => proxy,
        Hop::Agent => agent,
        Hop::Either => proxy || agent,
    }
}
