//! Values that are lists.

use super::OptionType;

/// Some of a few words, separated by commas, in the order of preference.
#[derive(Debug)]
pub(in crate::config) struct Choices<E: 'static>(
    pub(in crate::config) &'static [(&'static str, E)],
);

impl<E: Copy + Sync> OptionType for Choices<E> {
    type Value = Vec<E>;

    fn parse(&self, text: &str) -> Option<Vec<E>> {
        let text = text.trim();
        if text.is_empty() {
            return Some(Vec::new());
        }
        let value = |word: &str| {
            let (_, value) = self.0.iter().find(|(known, _)| *known == word.trim())?;
            Some(*value)
        };
        text.split(',').map(value).collect()
    }

    fn allowed(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
        format!("a comma-separated list of {}", words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::types::tests::check;

    #[test]
    fn choices_keep_their_order() {
        let kind = Choices(&[("internal", 1), ("public", 2)]);
        check(
            &kind,
            &[
                ("", vec![]),
                ("public", vec![2]),
                (" public , internal", vec![2, 1]),
            ],
            &["publicURL", "public internal", "public,"],
        );
    }
}
