//! Which kernels are tried, and where Debian has them.

use std::fmt::{self, Display, Formatter};

use clap::ValueEnum;

/// A line of kernels that Debian keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Release {
    /// Of Debian 11, the oldest that we run on
    #[value(name = "5.10")]
    Bullseye,
    /// Of Debian 12
    #[value(name = "6.1")]
    Bookworm,
    /// Of Debian 13
    #[value(name = "6.12")]
    Trixie,
    /// The highest version in backports, unstable and experimental
    #[value(name = "newest")]
    Newest,
}

/// A part of Debian's archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) uri: &'static str,
    pub(super) name: &'static str,
}

const fn suite(uri: &'static str, name: &'static str) -> Suite {
    Suite { uri, name }
}

const DEBIAN: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";
/// Where a release goes when nobody supports it any more.
const ARCHIVE: &str = "http://archive.debian.org/debian-security";

const BULLSEYE: &[&[Suite]] = &[
    &[suite(SECURITY, "bullseye-security")],
    &[suite(ARCHIVE, "bullseye-security")],
];
const BOOKWORM: &[&[Suite]] = &[
    &[suite(SECURITY, "bookworm-security")],
    &[suite(DEBIAN, "bookworm")],
];
const TRIXIE: &[&[Suite]] = &[
    &[suite(SECURITY, "trixie-security")],
    &[suite(DEBIAN, "trixie")],
];
const NEWEST: &[&[Suite]] = &[&[
    suite(DEBIAN, "trixie-backports"),
    suite(DEBIAN, "sid"),
    suite(DEBIAN, "experimental"),
]];

impl Release {
    pub(super) const ALL: [Self; 4] = [Self::Bullseye, Self::Bookworm, Self::Trixie, Self::Newest];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bullseye => "5.10",
            Self::Bookworm => "6.1",
            Self::Trixie => "6.12",
            Self::Newest => "newest",
        }
    }

    /// Where to look for it, in this order: the first place that has it will do.
    pub(super) fn places(self) -> &'static [&'static [Suite]] {
        match self {
            Self::Bullseye => BULLSEYE,
            Self::Bookworm => BOOKWORM,
            Self::Trixie => TRIXIE,
            Self::Newest => NEWEST,
        }
    }

    /// Whether a package of this version is of this line.
    pub(super) fn includes(self, version: &str) -> bool {
        if self == Self::Newest {
            return true;
        }
        let rest = version.strip_prefix(self.name());
        rest.is_some_and(|rest| rest.starts_with('.'))
    }
}

impl Display for Release {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_no_kernel_of_another() {
        assert!(Release::Bookworm.includes("6.1.192-2"));
        assert!(!Release::Bookworm.includes("6.12.117-1"));
        assert!(!Release::Bullseye.includes("6.1.180-1~deb11u1"));
        assert!(Release::Newest.includes("7.3~rc7-1~exp1"));
    }
}
