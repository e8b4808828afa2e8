//! What an option is: its names, its type, its default and its meaning.

use super::types::OptionType;

/// The part of an option that does not depend on its type.
#[derive(Debug)]
pub struct Spec {
    pub group: &'static str,
    pub name: &'static str,
    /// Older (group, name) pairs that mean the same.
    pub deprecated: &'static [(&'static str, &'static str)],
    /// As an operator would write it; may refer to other options.
    pub default: &'static str,
    pub doc: &'static str,
}

impl Spec {
    /// The name and its older spellings, the present one first.
    pub(super) fn names(&self) -> Vec<(&'static str, &'static str)> {
        let mut names = vec![(self.group, self.name)];
        names.extend(self.deprecated);
        names
    }
}

/// An option whose value has the type `K::Value`.
#[derive(Debug)]
pub(super) struct Opt<K> {
    pub spec: Spec,
    pub kind: K,
}

/// An option of any type, as the table of all of them holds it.
pub trait AnyOption: Sync {
    fn spec(&self) -> &Spec;
    /// What a value may be, as a noun phrase.
    fn allowed(&self) -> String;
    /// Whether a text, references filled in, is a value of this option.
    fn accepts(&self, text: &str) -> bool;
}

impl<K: OptionType> AnyOption for Opt<K> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn allowed(&self) -> String {
        self.kind.allowed()
    }

    fn accepts(&self, text: &str) -> bool {
        self.kind.parse(text).is_some()
    }
}
