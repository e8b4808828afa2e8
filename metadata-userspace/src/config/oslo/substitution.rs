//! `$option`, `${option}` and `${group.option}` inside values.
//!
//! The grammar is Python's `string.Template` with the identifiers that
//! oslo.config allows; `$$` and `\$` are a plain `$`, and a `$` before
//! anything else stands for itself (`ConfigOpts._substitute`).

use zeroize::Zeroizing;

use crate::config::wiped_text::append;

/// What a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// `None`: the group of the option that refers, then `DEFAULT`.
    pub group: Option<&'a str>,
    pub name: &'a str,
}

/// Replaces each reference in `text` by what `value_of` says.
///
/// # Errors
/// The first error of `value_of`.
pub fn expand<E>(
    text: &str,
    mut value_of: impl FnMut(Reference<'_>) -> Result<Zeroizing<String>, E>,
) -> Result<Zeroizing<String>, E> {
    let text = with_one_escape(text);
    let mut rest = text.as_str();
    let mut expanded = Zeroizing::new(String::with_capacity(rest.len()));
    while let Some((before, after)) = rest.split_once('$') {
        append(&mut expanded, before);
        rest = if let Some(escaped) = after.strip_prefix('$') {
            append(&mut expanded, "$");
            escaped
        } else if let Some((identifier, tail)) = reference(after) {
            append(&mut expanded, &value_of(split(identifier))?);
            tail
        } else {
            append(&mut expanded, "$");
            after
        };
    }
    append(&mut expanded, rest);
    Ok(expanded)
}

fn with_one_escape(text: &str) -> Zeroizing<String> {
    let mut parts = text.split("\\$");
    let mut same = Zeroizing::new(String::with_capacity(text.len()));
    append(&mut same, parts.next().unwrap_or_default());
    for part in parts {
        append(&mut same, "$$");
        append(&mut same, part);
    }
    same
}

/// The identifier after a `$`, and what follows it.
fn reference(after: &str) -> Option<(&str, &str)> {
    match after.strip_prefix('{') {
        Some(inside) => {
            let (identifier, tail) = identifier(inside)?;
            Some((identifier, tail.strip_prefix('}')?))
        }
        None => identifier(after),
    }
}

fn identifier(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        return None;
    }
    let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at_checked(end)
}

fn split(identifier: &str) -> Reference<'_> {
    match identifier.split_once('.') {
        Some((group, name)) => Reference {
            group: Some(group),
            name,
        },
        None => Reference {
            group: None,
            name: identifier,
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(reference: Reference<'_>) -> Result<Zeroizing<String>, String> {
        match reference {
            Reference { name: "none", .. } => Err("none".to_owned()),
            Reference { group, name } => {
                let shown = format!("<{}|{name}>", group.unwrap_or("-"));
                Ok(Zeroizing::new(shown))
            }
        }
    }

    /// Each outcome was seen with oslo.config 10.3.
    #[test]
    fn references_are_those_of_oslo_config() {
        for (text, expanded) in [
            ("$b/x", "<-|b>/x"),
            ("${b}y", "<-|b>y"),
            ("${g.x} $g.x", "<g|x> <g|x>"),
            ("$b.c", "<b|c>"),
            ("$$b \\$b", "$b $b"),
            ("$ $1 ${ ${b", "$ $1 ${ ${b"),
            ("$B", "<-|B>"),
        ] {
            assert_eq!(*expand(text, show).unwrap(), expanded, "{text}");
        }
    }

    #[test]
    fn an_unknown_option_is_an_error() {
        assert_eq!(expand("a $none b", show), Err("none".to_owned()));
    }

    proptest! {
        #[test]
        fn text_without_a_dollar_stays(text in "[^$]{0,100}") {
            prop_assert_eq!(&*expand(&text, show).unwrap(), &text);
        }

        #[test]
        fn nothing_panics(text in "([$\\\\{}.a-c]|.){0,100}") {
            let _ = expand(&text, show);
        }
    }
}
