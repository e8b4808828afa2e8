//! Typed values out of [`Settings`], collecting every fault on the way.

use zeroize::Zeroizing;

use super::error::ConfigError;
use super::option::{Opt, Spec};
use super::options;
use super::oslo::substitution::{self, Reference};
use super::oslo::{DEFAULT_GROUP, Place, Settings};
use super::types::OptionType;

/// Reads options one by one; a faulty one yields its type's default, and the
/// fault is in [`into_errors`](Self::into_errors).
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    errors: Vec<ConfigError>,
}

/// Why `$option` could not be filled in.
enum BrokenReference {
    Unknown(String),
    Circular(String),
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings, errors: Vec<ConfigError>) -> Self {
        Self { settings, errors }
    }

    /// The value that holds: what the files say, else the default.
    pub(super) fn read<K: OptionType>(&mut self, option: &Opt<K>) -> K::Value {
        let spec = &option.spec;
        let setting = self.settings.find(&spec.names());
        let text = setting.map_or(spec.default, |setting| setting.value());
        let mut trail = vec![(spec.group.to_owned(), spec.name.to_owned())];
        let text = match self.expand(text, spec.group, &mut trail) {
            Ok(text) => text,
            Err(broken) => {
                self.reject(spec, broken.problem(K::HIDDEN));
                return K::Value::default();
            }
        };
        option.kind.parse(&text).unwrap_or_else(|| {
            let shown = if K::HIDDEN {
                "the value"
            } else {
                &shown(&text)
            };
            self.reject(spec, format!("{shown} must be {}", option.kind.allowed()));
            K::Value::default()
        })
    }

    /// Where the option is set, if it is.
    pub(super) fn place(&self, spec: &Spec) -> Option<Place> {
        self.settings
            .find(&spec.names())
            .map(|setting| setting.place())
    }

    /// Records a fault of an option.
    pub(super) fn reject(&mut self, spec: &Spec, problem: String) {
        self.errors.push(ConfigError {
            place: self.place(spec),
            option: Some((spec.group.to_owned(), spec.name.to_owned())),
            problem,
        });
    }

    /// Faults so far.
    pub(super) fn fault_count(&self) -> usize {
        self.errors.len()
    }

    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    fn expand(
        &self,
        text: &str,
        group: &str,
        trail: &mut Vec<(String, String)>,
    ) -> Result<Zeroizing<String>, BrokenReference> {
        substitution::expand(text, |reference| self.referred(reference, group, trail))
    }

    fn referred(
        &self,
        reference: Reference<'_>,
        group: &str,
        trail: &mut Vec<(String, String)>,
    ) -> Result<Zeroizing<String>, BrokenReference> {
        let name = reference.name;
        let candidates = match reference.group {
            Some(named) => vec![named],
            None => vec![group, DEFAULT_GROUP],
        };
        for candidate in candidates {
            let Some(text) = self.raw(candidate, name) else {
                continue;
            };
            let step = (candidate.to_lowercase(), name.to_owned());
            let seen = |(group, name): &(String, String)| {
                group.eq_ignore_ascii_case(&step.0) && *name == step.1
            };
            if trail.iter().any(seen) {
                return Err(BrokenReference::Circular(spelled(reference)));
            }
            trail.push(step);
            let value = self.expand(text, candidate, trail);
            trail.pop();
            return value;
        }
        Err(BrokenReference::Unknown(spelled(reference)))
    }

    /// The text of any option that is set, or that is ours to know.
    fn raw(&self, group: &str, name: &str) -> Option<&str> {
        let known = options::specs().find(|spec| spec.group == group && spec.name == name);
        let setting = match known {
            Some(spec) => self.settings.find(&spec.names()),
            None => self.settings.find(&[(group, name)]),
        };
        setting
            .map(|setting| setting.value())
            .or(known.map(|spec| spec.default))
    }
}

impl BrokenReference {
    /// A hidden value's references are part of what is hidden.
    fn problem(self, hidden: bool) -> String {
        match self {
            Self::Unknown(_) | Self::Circular(_) if hidden => {
                "the value holds a `$` that reads as a reference to another option; \
                 write `$$` for a plain `$`"
                    .to_owned()
            }
            Self::Unknown(name) => format!(
                "`{name}` refers to an option that these files do not set; \
                 set it, or write `$$` for a plain `$`"
            ),
            Self::Circular(name) => {
                format!(
                    "`{name}` refers to itself, by way of others; give one of them a plain value"
                )
            }
        }
    }
}

fn spelled(reference: Reference<'_>) -> String {
    match reference.group {
        Some(group) => format!("${group}.{}", reference.name),
        None => format!("${}", reference.name),
    }
}

/// A value as a message shows it: one line, not endless.
fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let escaped: String = text
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    let more = if text.chars().nth(LONGEST).is_some() {
        "…"
    } else {
        ""
    };
    format!("`{escaped}{more}`")
}
