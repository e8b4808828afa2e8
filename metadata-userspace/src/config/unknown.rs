//! Names that are not, or no longer, an option's name.

use super::Note;
use super::error::ConfigError;
use super::options::{OUR_GROUP, specs};
use super::oslo::Settings;

/// Below this likeness a suggestion would only puzzle.
const LIKE_ENOUGH: f64 = 0.75;

/// What is in `[metadatad]` and no option of ours. The other groups belong to
/// Neutron, which has many more options than are read here.
pub(super) fn errors(settings: &Settings) -> Vec<ConfigError> {
    settings
        .all()
        .filter(|setting| setting.group() == OUR_GROUP)
        .filter(|setting| !our_names().any(|name| name == setting.name()))
        .map(|setting| ConfigError {
            place: Some(setting.place()),
            option: Some((OUR_GROUP.to_owned(), setting.name().to_owned())),
            problem: format!("no such option; {}", suggestion(setting.name())),
        })
        .collect()
}

fn our_names() -> impl Iterator<Item = &'static str> {
    specs()
        .filter(|spec| spec.group == OUR_GROUP)
        .map(|spec| spec.name)
}

fn suggestion(name: &str) -> String {
    let elsewhere = specs().find(|spec| spec.name == name);
    if let Some(spec) = elsewhere {
        return format!("it belongs to [{}]", spec.group);
    }
    let likeness = |known: &str| strsim::jaro_winkler(known, name);
    our_names()
        .filter(|known| likeness(known) >= LIKE_ENOUGH)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .map_or_else(
            || {
                format!(
                    "the options are {}",
                    our_names().collect::<Vec<_>>().join(", ")
                )
            },
            |known| format!("did you mean `{known}`?"),
        )
}

/// A note for each older name in use.
pub(super) fn old_names(settings: &Settings) -> Vec<Note> {
    let mut notes = Vec::new();
    for spec in specs() {
        for setting in settings.find_all(spec.deprecated) {
            notes.push(Note {
                place: setting.place().to_string(),
                option: format!("[{}] {}", setting.group(), setting.name()),
                text: format!(
                    "an old name, still read; it is now [{}] {}",
                    spec.group, spec.name
                ),
            });
        }
    }
    notes
}
