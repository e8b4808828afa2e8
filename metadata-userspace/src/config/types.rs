//! The types that values have.

mod list;
mod network;
mod ovsdb;
mod seconds;
mod url;

use std::path::PathBuf;

use super::Secret;
pub(super) use list::Choices;
pub(super) use network::{HostAddress, Listen, Mark, Upstream};
pub(super) use ovsdb::{OvsdbLocal, OvsdbRemotes};
pub(super) use seconds::{Seconds, SecondsUpTo};
pub(super) use url::Url;

/// How a text becomes a value.
pub(super) trait OptionType: Sync {
    type Value: Default;

    /// `None`: the text is not what [`allowed`](Self::allowed) says.
    fn parse(&self, text: &str) -> Option<Self::Value>;

    /// A noun phrase, to follow "must be".
    fn allowed(&self) -> String;

    /// Whether a message must not repeat the value.
    const HIDDEN: bool = false;
}

/// Any text.
#[derive(Debug)]
pub(super) struct Text;

impl OptionType for Text {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn allowed(&self) -> String {
        "any text".to_owned()
    }
}

/// Text that is never shown.
#[derive(Debug)]
pub(super) struct Hidden;

impl OptionType for Hidden {
    type Value = Secret;

    fn parse(&self, text: &str) -> Option<Secret> {
        Some(Secret(text.to_owned()))
    }

    fn allowed(&self) -> String {
        "any text".to_owned()
    }

    const HIDDEN: bool = true;
}

/// A path of the file system.
#[derive(Debug)]
pub(super) struct FilePath;

impl OptionType for FilePath {
    type Value = PathBuf;

    fn parse(&self, text: &str) -> Option<PathBuf> {
        (!text.is_empty() && !text.contains(['\0', '\n'])).then(|| PathBuf::from(text))
    }

    fn allowed(&self) -> String {
        "a path".to_owned()
    }
}

/// An option that may be left empty.
#[derive(Debug)]
pub(super) struct Optional<K>(pub(super) K);

impl<K: OptionType> OptionType for Optional<K> {
    type Value = Option<K::Value>;

    fn parse(&self, text: &str) -> Option<Option<K::Value>> {
        if text.is_empty() {
            return Some(None);
        }
        self.0.parse(text).map(Some)
    }

    fn allowed(&self) -> String {
        format!("{}, or empty", self.0.allowed())
    }

    const HIDDEN: bool = K::HIDDEN;
}

/// oslo.config's spellings.
#[derive(Debug)]
pub(super) struct Boolean;

impl OptionType for Boolean {
    type Value = bool;

    fn parse(&self, text: &str) -> Option<bool> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Some(true),
            "false" | "0" | "off" | "no" => Some(false),
            _ => None,
        }
    }

    fn allowed(&self) -> String {
        "true or false (or 1/0, yes/no, on/off)".to_owned()
    }
}

/// A whole number within bounds, both included.
#[derive(Debug)]
pub(super) struct Integer {
    pub min: u64,
    pub max: u64,
}

impl OptionType for Integer {
    type Value = u64;

    fn parse(&self, text: &str) -> Option<u64> {
        let number = text.trim().parse().ok()?;
        (self.min..=self.max).contains(&number).then_some(number)
    }

    fn allowed(&self) -> String {
        format!("a whole number from {} to {}", self.min, self.max)
    }
}

/// A TCP port.
#[derive(Debug)]
pub(super) struct Port;

impl OptionType for Port {
    type Value = u16;

    fn parse(&self, text: &str) -> Option<u16> {
        text.trim().parse().ok().filter(|port| *port != 0)
    }

    fn allowed(&self) -> String {
        "a port from 1 to 65535".to_owned()
    }
}

/// One of a few words.
#[derive(Debug)]
pub(super) struct Choice<E: 'static>(pub(super) &'static [(&'static str, E)]);

impl<E: Copy + Default + Sync> OptionType for Choice<E> {
    type Value = E;

    fn parse(&self, text: &str) -> Option<E> {
        let (_, value) = self.0.iter().find(|(word, _)| *word == text)?;
        Some(*value)
    }

    fn allowed(&self) -> String {
        match self.0 {
            [(only, _)] => format!("{only:?}, the only choice so far"),
            choices => {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                format!("one of {}", words.join(", "))
            }
        }
    }
}

/// A comma-separated list of file name patterns.
#[derive(Debug)]
pub(super) struct Globs;

impl OptionType for Globs {
    type Value = Vec<String>;

    fn parse(&self, text: &str) -> Option<Vec<String>> {
        let text = text.trim().trim_end_matches(',');
        if text.is_empty() {
            return Some(Vec::new());
        }
        text.split(',').map(|part| glob(part.trim())).collect()
    }

    fn allowed(&self) -> String {
        "a comma-separated list of names, in which `*`, `?` and `[a-z]` match".to_owned()
    }
}

fn glob(pattern: &str) -> Option<String> {
    let usable =
        !pattern.is_empty() && !pattern.contains('/') && glob::Pattern::new(pattern).is_ok();
    usable.then(|| pattern.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::config) fn check<K: OptionType>(kind: &K, good: &[(&str, K::Value)], bad: &[&str])
    where
        K::Value: std::fmt::Debug + PartialEq,
    {
        for (text, value) in good {
            assert_eq!(kind.parse(text).as_ref(), Some(value), "{text}");
        }
        for text in bad {
            assert_eq!(kind.parse(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_have_the_spellings_of_oslo_config() {
        let good = [("True", true), ("1", true), ("ON", true), ("yes", true)];
        check(&Boolean, &good, &["", "2", "enabled", "t"]);
        check(
            &Boolean,
            &[
                ("false", false),
                ("0", false),
                ("off", false),
                ("No", false),
            ],
            &[],
        );
    }

    #[test]
    fn integers_stay_within_their_bounds() {
        let kind = Integer { min: 1, max: 31 };
        check(
            &kind,
            &[("1", 1), (" 31 ", 31)],
            &["0", "32", "-1", "", "1.5", "0x1"],
        );
    }

    #[test]
    fn globs_name_files_of_one_directory() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        check(
            &Globs,
            &[
                ("qrouter-*", list(&["qrouter-*"])),
                ("qrouter-*, qdhcp-?,", list(&["qrouter-*", "qdhcp-?"])),
                ("", list(&[])),
            ],
            &["a,,b", "a/b", "[a"],
        );
    }
}
