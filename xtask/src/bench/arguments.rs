//! What of the benchmark is asked for.

use anyhow::Result;
use clap::ValueEnum;

use super::restarts;
use super::rounds::Plan;
use super::storm::{Lane, Size};

/// Options of `cargo xtask bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Rounds, in each of which every contender runs once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: u32,
    /// Seconds of each run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) seconds: u64,
    /// Routers of the memory part
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..))]
    pub(super) routers: u32,
    /// Numbers of routers of the scale part, growing
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1_000, 10_000])]
    pub(super) sizes: Vec<usize>,
    /// Restarts, reloads and kills of each kind
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) times: u32,
    /// Upgrades under load
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) upgrades: u32,
    /// Only these of the part `restarts`
    #[arg(long, value_delimiter = ',')]
    pub(super) acts: Vec<restarts::Act>,
    /// Lanes of the storm part, in this order
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
    Lane::NovaInTurn, Lane::Nova, Lane::Metadatad, Lane::Neutron,
    ])]
    pub(super) lanes: Vec<Lane>,
    /// Seconds after which guests of the storm part ask no more
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) patience: u64,
    /// Only this part
    #[arg(long, value_enum)]
    pub(super) only: Option<Selection>,
    /// One round of one second, 20 routers, 3 restarts: shows that it works, not how fast
    #[arg(long)]
    pub(super) quick: bool,
    /// Write docs/benchmarks.md, with plots, from what each part left in target/bench;
    /// without --only, measure every part before
    #[arg(long)]
    pub(super) report: bool,
    /// Measure nothing: write that page from what earlier runs left
    #[arg(long, exclusive = true)]
    pub(super) redraw: bool,
    /// Print the JSON instead of the tables
    #[arg(long)]
    pub(super) json: bool,
    /// Take target/release/metadatad as it is
    #[arg(long)]
    pub(super) no_build: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Selection {
    /// Nothing, iptables and TC in front of one nginx
    Steering,
    /// haproxy and metadatad in front of a constant answer
    Path,
    /// One router and many
    Memory,
    /// Ten routers and ten thousand; only when asked for, because it takes minutes
    Scale,
    /// Nothing, Neutron's rules and metadatad in the way of packets that are only
    /// forwarded
    Neighbours,
    /// What guests notice of restarts, upgrades and kills; only when asked for, because it
    /// takes minutes
    Restarts,
    /// What a guest that floods does to others; only when asked for, because it takes
    /// minutes
    Fairness,
    /// Real Neutron and metadatad, the same cloud behind both; only when asked
    /// for, because it brings that cloud up
    Openstack,
    /// A thousand guests of that cloud that boot within 10 s; only when asked for,
    /// because Neutron's path takes ten minutes
    Storm,
}

impl Arguments {
    pub(super) fn parts(&self) -> Vec<Selection> {
        match self.only {
            Some(only) => vec![only],
            None if self.report => Selection::value_variants().to_vec(),
            None => vec![
                Selection::Steering,
                Selection::Neighbours,
                Selection::Path,
                Selection::Memory,
            ],
        }
    }

    /// The same again for the process that is root, where all is built.
    pub(super) fn as_root(&self) -> Vec<String> {
        let mut arguments = vec!["bench".to_owned(), "--no-build".to_owned()];
        for (name, value) in [
            ("rounds", u64::from(self.rounds)),
            ("seconds", self.seconds),
            ("routers", u64::from(self.routers)),
            ("times", u64::from(self.times)),
            ("upgrades", u64::from(self.upgrades)),
            ("patience", self.patience),
        ] {
            arguments.push(format!("--{name}={value}"));
        }
        if let Some(value) = self
            .only
            .and_then(|only| clap::ValueEnum::to_possible_value(&only))
        {
            arguments.push(format!("--only={}", value.get_name()));
        }
        if !self.acts.is_empty() {
            arguments.push(format!("--acts={}", names(&self.acts)));
        }
        arguments.push(format!("--lanes={}", names(&self.lanes)));
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        arguments.push(format!("--sizes={}", sizes.join(",")));
        let flags = [
            (self.quick, "--quick"),
            (self.report, "--report"),
            (self.json, "--json"),
        ];
        arguments.extend(
            flags
                .iter()
                .filter(|(given, _)| *given)
                .map(|(_, flag)| (*flag).to_owned()),
        );
        arguments
    }

    /// What measures a part again.
    pub(super) fn command(&self, part: &str) -> String {
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        let amount = match part {
            _ if self.quick => "--quick".to_owned(),
            "memory" => format!("--routers {}", self.routers),
            "scale" => format!("--sizes {}", sizes.join(",")),
            "restarts" if self.acts.is_empty() => {
                format!("--times {} --upgrades {}", self.times, self.upgrades)
            }
            "restarts" => format!(
                "--times {} --upgrades {} --acts {}",
                self.times,
                self.upgrades,
                names(&self.acts)
            ),
            "storm" => format!(
                "--rounds {} --patience {} --lanes {}",
                self.rounds,
                self.patience,
                names(&self.lanes)
            ),
            _ => format!("--rounds {} --seconds {}", self.rounds, self.seconds),
        };
        format!("cargo xtask bench --only {part} {amount}")
    }

    pub(super) fn plan(&self) -> Result<Plan> {
        if self.quick {
            return Ok(Plan {
                rounds: 1,
                seconds: 1,
            });
        }
        Ok(Plan {
            rounds: self.rounds.try_into()?,
            seconds: self.seconds,
        })
    }

    pub(super) fn router_count(&self) -> Result<usize> {
        Ok(match self.quick {
            true => 20,
            false => self.routers.try_into()?,
        })
    }

    pub(super) fn counts(&self) -> restarts::Counts {
        match self.quick {
            true => restarts::Counts {
                times: 3,
                upgrades: 3,
            },
            false => restarts::Counts {
                times: self.times,
                upgrades: self.upgrades,
            },
        }
    }

    pub(super) fn storm(&self) -> Size {
        Size::of(self.quick, self.patience)
    }

    pub(super) fn sizes(&self) -> Vec<usize> {
        match self.quick {
            true => vec![2, 20],
            false => self.sizes.clone(),
        }
    }
}

impl Selection {
    pub(super) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// As they are written on the command line.
fn names(values: &[impl clap::ValueEnum]) -> String {
    let values = values.iter().filter_map(clap::ValueEnum::to_possible_value);
    let names: Vec<_> = values.map(|value| value.get_name().to_owned()).collect();
    names.join(",")
}
