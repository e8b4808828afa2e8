//! Answers in a sentence, computed from the figures, also where ours is the worse one.

use super::numbers::{Unit, figure};
use crate::bench::statistics::Spread;

/// How many times as good as its peer metadatad is with one workload: below 1 it is worse.
#[derive(Clone, Debug)]
pub(super) struct Advantage {
    pub(super) workload: String,
    pub(super) times: Spread,
}

/// `say` gets the factor in words, such as `1.1 to 1.6 times`.
pub(super) fn compare(
    ours: &str,
    advantages: &[Advantage],
    say: impl FnOnce(&str) -> String,
) -> String {
    match advantages {
        [] => String::new(),
        [only] => {
            let worse = match only.times.median < 1.0 {
                true => format!(" {ours} is worse."),
                false => String::new(),
            };
            format!("{}.{worse}", say(&times_with_range(only.times)))
        }
        several => format!("{}.{}", say(&times(several)), worse(ours, several)),
    }
}

fn worse(ours: &str, advantages: &[Advantage]) -> String {
    let is_worse = |advantage: &&Advantage| advantage.times.median < 1.0;
    let worse = advantages.iter().filter(is_worse);
    let worse: Vec<_> = worse
        .map(|advantage| {
            format!(
                "{}: {}",
                advantage.workload,
                times_with_range(advantage.times)
            )
        })
        .collect();
    match worse.len() {
        0 => String::new(),
        all if all == advantages.len() => format!(" {ours} is worse throughout."),
        _ => format!(" {ours} is worse with {}.", worse.join("; ")),
    }
}

/// A factor with the range of its rounds.
pub(super) fn times_with_range(times: Spread) -> String {
    format!("{} times", Unit::Plain.range(times))
}

/// From the least to the greatest median: `1.1 to 1.6 times`.
pub(super) fn times(advantages: &[Advantage]) -> String {
    let medians = || advantages.iter().map(|advantage| advantage.times.median);
    let lowest = figure(medians().fold(f64::INFINITY, f64::min));
    let highest = figure(medians().fold(f64::NEG_INFINITY, f64::max));
    match lowest == highest {
        true => format!("{lowest} times"),
        false => format!("{lowest} to {highest} times"),
    }
}

/// Whether what was aimed at was reached.
pub(super) fn at_least(aim: f64, value: f64) -> String {
    verdict("at least", aim, value >= aim, Unit::Plain)
}

/// As [`at_least`], of what should be small.
pub(super) fn at_most(aim: f64, value: f64, unit: Unit) -> String {
    verdict("at most", aim, value <= aim, unit)
}

fn verdict(bound: &str, aim: f64, is_met: bool, unit: Unit) -> String {
    let outcome = if is_met { "met" } else { "missed" };
    format!("{bound} {}: {outcome}", unit.tick(aim))
}

/// `a`, `a and b`, `a, b and c`; with semicolons when there are commas inside.
pub(super) fn list(items: &[String]) -> String {
    let has_commas = items.iter().any(|item| item.contains(", "));
    match items {
        [] => String::new(),
        [only] => only.clone(),
        several if has_commas => several.join("; "),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advantage(workload: &str, [lowest, median, highest]: [f64; 3]) -> Advantage {
        Advantage {
            workload: workload.to_owned(),
            times: Spread {
                lowest,
                median,
                highest,
            },
        }
    }

    fn answer(advantages: &[Advantage]) -> String {
        compare("metadatad", advantages, |times| {
            format!("metadatad answers {times} as many requests as haproxy")
        })
    }

    #[test]
    fn one_workload_has_the_range_of_its_rounds() {
        assert_eq!(
            answer(&[advantage("64 connections", [1.2, 1.4, 1.6])]),
            "metadatad answers 1.40 (1.20–1.60) times as many requests as haproxy."
        );
    }

    #[test]
    fn where_ours_is_worse_is_said() {
        let better = advantage("64 connections", [1.2, 1.4, 1.6]);
        let worse = advantage("1 connection", [0.8, 0.9, 1.1]);
        assert_eq!(
            answer(&[worse, better]),
            "metadatad answers 0.90 to 1.40 times as many requests as haproxy. metadatad is worse \
             with 1 connection: 0.90 (0.80–1.10) times."
        );
    }

    #[test]
    fn worse_throughout_is_no_list() {
        let worse = [0.8, 0.9, 0.95];
        let text = answer(&[advantage("a", worse), advantage("b", worse)]);
        assert!(text.ends_with("metadatad is worse throughout."), "{text}");
    }

    #[test]
    fn what_has_commas_is_listed_with_semicolons() {
        let listed =
            |items: &[&str]| list(&items.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
        assert_eq!(listed(&["a, b", "c"]), "a, b; c");
    }

    #[test]
    fn an_aim_is_met_or_missed() {
        assert_eq!(at_least(1.2, 1.19), "at least 1.2: missed");
        assert_eq!(at_most(5e-3, 4e-3, Unit::Time), "at most 5 ms: met");
    }
}
