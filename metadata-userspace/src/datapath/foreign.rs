//! Other people's programs on an interface: they are kept, and told of.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Direction;

/// A program of somebody else's, or a filter without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignProgram {
    pub hook: ForeignHook,
    /// The program's, as far as the kernel knows one; of another filter its kind.
    pub name: String,
    /// The kernel's id of the program.
    pub id: Option<u32>,
    pub runs: Order,
}

/// Where it hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignHook {
    Xdp,
    TcxIngress,
    TcxEgress,
    TcIngress,
    TcEgress,
}

/// When it runs, seen from ours. What runs before may keep frames from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    Before,
    After,
}

impl ForeignHook {
    pub(super) const fn tc(direction: Direction) -> Self {
        match direction {
            Direction::Ingress => Self::TcIngress,
            Direction::Egress => Self::TcEgress,
        }
    }

    pub(super) const fn tcx(direction: Direction) -> Self {
        match direction {
            Direction::Ingress => Self::TcxIngress,
            Direction::Egress => Self::TcxEgress,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "XDP",
            Self::TcxIngress => "TCX ingress",
            Self::TcxEgress => "TCX egress",
            Self::TcIngress => "TC ingress",
            Self::TcEgress => "TC egress",
        }
    }
}

impl fmt::Display for ForeignProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.hook.name())?;
        if let Some(id) = self.id {
            write!(f, " (id {id})")?;
        }
        f.write_str(match self.runs {
            Order::Before => " before ours",
            Order::After => " after ours",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_hangs_where_and_when_it_runs() {
        let program = ForeignProgram {
            hook: ForeignHook::TcIngress,
            name: "policer".into(),
            id: Some(7),
            runs: Order::After,
        };
        assert_eq!(
            program.to_string(),
            "policer at TC ingress (id 7) after ours"
        );
        let json = serde_json::to_string(&program).unwrap_or_default();
        assert!(json.contains(r#""hook":"tc-ingress""#) && json.contains(r#""runs":"after""#));
    }
}
