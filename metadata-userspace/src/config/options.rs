//! Every option that metadatad honours: Neutron's, with Neutron's names,
//! groups, defaults and meanings, and ours in `[metadatad]`.

mod keystone;
mod messaging;
mod neutron;
mod ours;
mod ovn;
mod rate_limiting;

use serde::Serialize;

use super::option::{AnyOption, Spec};
use super::oslo::DEFAULT_GROUP;
use super::types::Integer;

pub(super) use keystone::*;
pub(super) use messaging::*;
pub(super) use neutron::*;
pub(super) use ours::*;
pub(super) use ovn::*;
pub(super) use rate_limiting::*;

/// The group of our own options.
pub const OUR_GROUP: &str = "metadatad";

/// haproxy and Neutron count in whole seconds; a day is longer than any wait.
const SECONDS: Integer = Integer {
    min: 1,
    max: 86_400,
};

/// All tables, in the order in which they are shown.
const TABLES: &[&[&dyn AnyOption]] = &[
    neutron::TABLE,
    rate_limiting::TABLE,
    messaging::TABLE,
    keystone::TABLE,
    ovn::TABLE,
    ours::TABLE,
];

macro_rules! options {
    ($(
        $(#[doc = $doc:literal])+
        $option:ident: $kind:ty = $group:ident $name:literal
            $(was $old_group:ident $old:literal)* default $default:literal $value:expr;
    )+) => {
        $(
            $(#[doc = $doc])+
            pub(in crate::config) static $option: $crate::config::option::Opt<$kind> = $crate::config::option::Opt {
                spec: $crate::config::option::Spec {
                    group: $group,
                    name: $name,
                    deprecated: &[$(($old_group, $old)),*],
                    default: $default,
                    doc: concat!($($doc),+),
                },
                kind: $value,
            };
        )+

        /// In the order in which they are shown.
        pub(super) static TABLE: &[&dyn $crate::config::option::AnyOption] = &[$(&$option),+];
    };
}

use options;

/// The options themselves.
pub fn all() -> impl Iterator<Item = &'static dyn AnyOption> {
    TABLES.iter().flat_map(|table| table.iter().copied())
}

/// Their names, defaults and meanings.
pub(super) fn specs() -> impl Iterator<Item = &'static Spec> {
    all().map(AnyOption::spec)
}

/// The options of one group as a Markdown table.
pub fn markdown_table(group: &str) -> String {
    let mut table = String::from("| option | default | value | meaning |\n|---|---|---|---|\n");
    for option in all().filter(|option| option.spec().group == group) {
        let spec = option.spec();
        let default = match spec.default {
            "" => String::new(),
            text => format!("`{text}`"),
        };
        let meaning = spec.doc.trim();
        let row = format!(
            "| `{}` | {default} | {} | {meaning} |\n",
            spec.name,
            option.allowed()
        );
        table.push_str(&row);
    }
    table
}

/// An option, for programs.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    pub group: &'static str,
    pub name: &'static str,
    /// Older names, each with its group.
    pub deprecated: &'static [(&'static str, &'static str)],
    pub default: &'static str,
    /// A noun phrase.
    pub allowed: String,
    pub meaning: &'static str,
}

/// All options, in the order in which they are shown.
pub fn descriptions() -> Vec<Description> {
    let describe = |option: &'static dyn AnyOption| {
        let spec = option.spec();
        Description {
            group: spec.group,
            name: spec.name,
            deprecated: spec.deprecated,
            default: spec.default,
            allowed: option.allowed(),
            meaning: spec.doc.trim(),
        }
    };
    all().map(describe).collect()
}

/// All options, a table for each group.
pub fn listing() -> String {
    let mut groups: Vec<_> = Vec::new();
    for spec in specs() {
        if !groups.contains(&spec.group) {
            groups.push(spec.group);
        }
    }
    groups
        .iter()
        .map(|group| format!("[{group}]\n\n{}", markdown_table(group)))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_option() {
        for option in all() {
            let spec = option.spec();
            let text = spec.default.replace("$state_path", "/var/lib/neutron");
            assert!(option.accepts(&text), "{}", spec.name);
        }
    }

    #[test]
    fn the_readme_has_the_current_table() {
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&markdown_table(OUR_GROUP)));
    }

    #[test]
    fn no_name_is_used_twice() {
        let mut names: Vec<_> = all().flat_map(|option| option.spec().names()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_row_of_the_table_tells_name_default_values_and_meaning() {
        let table = markdown_table(OUR_GROUP);
        let row = "| `max_head_size` | `16384` | a whole number from 8192 to 1048576 | \
                   Bytes of a request's line and headers; 431 above. |\n";
        assert!(table.contains(row), "{table}");
        let listing = listing();
        let headings = listing.lines().filter(|line| line.starts_with('['));
        assert_eq!(
            headings.collect::<Vec<_>>(),
            [
                "[DEFAULT]",
                "[cache]",
                "[metadata_haproxy]",
                "[metadata_rate_limiting]",
                "[agent]",
                "[oslo_messaging_rabbit]",
                "[neutron]",
                "[ovn]",
                "[ovs]",
                "[metadatad]"
            ]
        );
    }
}
