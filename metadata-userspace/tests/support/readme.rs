//! README's tables name the tests that show what they say: those that there are.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use xtask::{process, repository};

/// A test, or a suite, as a table names it.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    /// Of the suite that the table is about; `*` and `…` are any text, a module is all in it.
    Test(String),
    Suite(String),
}

/// Checks the table under a heading against the tests of this suite.
pub(crate) fn check(heading: &str) -> Result<()> {
    let readme = std::fs::read_to_string(repository::root().join("README.md"))?;
    let list = process::read(Command::new(env::current_exe()?).args(["--list"]))?;
    let tests: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect();
    let named = named_under(&readme, heading);
    ensure!(
        named.len() > 10,
        "hardly anything under {heading}: {named:?}"
    );
    for one in named {
        let is_there = match &one {
            Named::Test(pattern) => tests.iter().any(|test| is_meant(pattern, test)),
            Named::Suite(suite) => is_suite(suite),
        };
        ensure!(
            is_there,
            "README names under {heading} what is not there: {one:?}"
        );
    }
    Ok(())
}

fn is_suite(name: &str) -> bool {
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let file = suites.join(name).with_extension("rs");
    file.exists() || suites.join(name).join("main.rs").exists()
}

/// All that is named in the last column of the table under a heading.
fn named_under(readme: &str, heading: &str) -> Vec<Named> {
    let lines = readme.lines().skip_while(|line| *line != heading).skip(1);
    let section = lines.take_while(|line| !line.starts_with('#'));
    let rows = section.filter_map(|line| line.strip_suffix(" |")?.rsplit_once("| "));
    rows.flat_map(|(_, cell)| named_in(cell)).collect()
}

fn named_in(cell: &str) -> Vec<Named> {
    let mut parts = cell.split('`');
    let (mut named, mut are_suites) = (Vec::new(), false);
    while let (Some(text), Some(code)) = (parts.next(), parts.next()) {
        are_suites |= text.contains("suite");
        match code {
            // What runs against the real cloud is no suite's.
            command if command.starts_with("cargo ") => {}
            suite if are_suites => named.push(Named::Suite(suite.to_owned())),
            test => named.extend(alternatives(test).into_iter().map(Named::Test)),
        }
    }
    named
}

/// `a::{b,c}` is `a::b` and `a::c`.
fn alternatives(pattern: &str) -> Vec<String> {
    let braced = pattern.split_once('{');
    let Some((before, rest)) = braced else {
        return vec![pattern.to_owned()];
    };
    let (inside, after) = rest.split_once('}').unwrap_or((rest, ""));
    let one = |name: &str| format!("{before}{name}{after}");
    inside.split(',').map(one).collect()
}

fn is_meant(pattern: &str, test: &str) -> bool {
    let Some((before, after)) = pattern.split_once(['*', '…']) else {
        let rest = test.strip_prefix(pattern);
        return rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    };
    let Some(rest) = test.strip_prefix(before) else {
        return false;
    };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|at| {
        rest.get(at..)
            .is_some_and(|rest| after.is_empty() || is_meant(after, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(pattern: &str) -> Named {
        Named::Test(pattern.to_owned())
    }

    fn suite(name: &str) -> Named {
        Named::Suite(name.to_owned())
    }

    #[test]
    fn the_last_column_under_the_heading_is_read() {
        let readme = "# A\n| `no` |\n## B\ntext with `code` |\n| a `b` | c | `x::{l3,dhcp}`, `y`, suites `s`, `t` |\n\
                      | b | `cargo xtask openstack test` |\n## C\n| `no` |\n";
        let named = [
            test("x::l3"),
            test("x::dhcp"),
            test("y"),
            suite("s"),
            suite("t"),
        ];
        assert_eq!(named_under(readme, "## B"), named);
    }

    #[test]
    fn a_pattern_means_what_it_looks_like() {
        for pattern in [
            "ipv4",
            "ipv4::l3",
            "ipv4::*",
            "ipv4::l…",
            "ipv4::…3",
            "…::l3",
        ] {
            assert!(is_meant(pattern, "ipv4::l3"), "{pattern}");
        }
        for pattern in ["ip", "ipv4::l", "ipv6::*", "ipv4::dhcp…", "ipv4::…4", ""] {
            assert!(!is_meant(pattern, "ipv4::l3"), "{pattern}");
        }
    }
}
