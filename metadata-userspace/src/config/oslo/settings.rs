//! Several files as one set of settings.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::lexer::{self, Assignment};
use super::{ConfigSource, normalize_group};
use crate::rights::act_on;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// From 1; `None` for the file as a whole.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.line {
            Some(line) => write!(f, ":{line}"),
            None => Ok(()),
        }
    }
}

/// A part of the sources that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub place: Place,
    pub problem: String,
}

/// An option as a file sets it, before substitution.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    file: &'a Path,
    assignment: &'a Assignment,
}

impl<'a> Setting<'a> {
    pub fn group(&self) -> &'a str {
        &self.assignment.group
    }

    pub fn name(&self) -> &'a str {
        &self.assignment.name
    }

    pub fn value(&self) -> &'a str {
        &self.assignment.value
    }

    pub fn place(&self) -> Place {
        Place {
            file: self.file.to_owned(),
            line: Some(self.assignment.line),
        }
    }

    /// Group names are compared as oslo.config compares them.
    pub fn is(&self, group: &str, name: &str) -> bool {
        self.name() == name && self.group() == normalize_group(group)
    }
}

/// All that the files say, in the order in which they were named.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Unreadable ones too, for their place in the order.
    files: Vec<(PathBuf, Vec<Assignment>)>,
}

impl Settings {
    /// Reads every source; what cannot be read is reported, the rest is kept.
    pub fn read(sources: &[ConfigSource]) -> (Self, Vec<Unreadable>) {
        let mut settings = Self::default();
        let mut unreadable = Vec::new();
        for source in sources {
            match source.files() {
                Ok(files) => {
                    for file in files {
                        settings.read_file(file, &mut unreadable);
                    }
                }
                Err((dir, error)) => {
                    settings.files.push((dir.clone(), Vec::new()));
                    unreadable.push(whole(dir, format!("cannot list the directory: {error}")));
                }
            }
        }
        (settings, unreadable)
    }

    fn read_file(&mut self, file: PathBuf, unreadable: &mut Vec<Unreadable>) {
        let bytes = match act_on(&file, |file| std::fs::read(file)) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) => {
                self.files.push((file.clone(), Vec::new()));
                return unreadable.push(whole(file, format!("cannot read the file: {error}")));
            }
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => self.add(file, text, unreadable),
            Err(error) => {
                let before = bytes.iter().take(error.valid_up_to());
                let line = before.filter(|byte| **byte == b'\n').count() + 1;
                self.files.push((file.clone(), Vec::new()));
                unreadable.push(Unreadable {
                    place: Place {
                        file,
                        line: Some(line),
                    },
                    problem: "not UTF-8 text".to_owned(),
                });
            }
        }
    }

    /// Takes what a file's text says.
    pub(crate) fn add(&mut self, file: PathBuf, text: &str, unreadable: &mut Vec<Unreadable>) {
        let (assignments, errors) = lexer::lex(text);
        unreadable.extend(errors.into_iter().map(|error| Unreadable {
            place: Place {
                file: file.clone(),
                line: Some(error.line),
            },
            problem: error.problem.to_owned(),
        }));
        self.files.push((file, assignments));
    }

    /// A place's position in the order of reading.
    pub fn position(&self, place: &Place) -> (usize, Option<usize>) {
        let mut files = self.files.iter();
        let file = files.position(|(file, _)| *file == place.file);
        (file.unwrap_or(usize::MAX), place.line)
    }

    /// Every assignment, in order.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = Setting<'_>> {
        self.files.iter().flat_map(|(file, assignments)| {
            assignments
                .iter()
                .map(move |assignment| Setting { file, assignment })
        })
    }

    /// The setting that holds: the last file that sets any of `names` decides,
    /// there the first of `names` it uses, there the last line
    /// (`_Namespace._get_file_value`).
    pub fn find(&self, names: &[(&str, &str)]) -> Option<Setting<'_>> {
        self.files.iter().rev().find_map(|(file, assignments)| {
            names.iter().find_map(|(group, name)| {
                assignments
                    .iter()
                    .rev()
                    .map(|assignment| Setting { file, assignment })
                    .find(|setting| setting.is(group, name))
            })
        })
    }

    /// All values of a multi-valued option, in the order of files and lines.
    pub fn find_all(&self, names: &[(&str, &str)]) -> Vec<Setting<'_>> {
        self.all()
            .filter(|setting| names.iter().any(|(group, name)| setting.is(group, name)))
            .collect()
    }
}

fn whole(file: PathBuf, problem: String) -> Unreadable {
    Unreadable {
        place: Place { file, line: None },
        problem,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn settings(texts: &[&str]) -> Settings {
        let mut settings = Settings::default();
        for (index, text) in texts.iter().enumerate() {
            let mut unreadable = Vec::new();
            settings.add(format!("{index}.conf").into(), text, &mut unreadable);
            assert_eq!(unreadable, []);
        }
        settings
    }

    fn found(settings: &Settings, names: &[(&str, &str)]) -> Option<(String, String)> {
        let setting = settings.find(names)?;
        Some((setting.value().to_owned(), setting.place().to_string()))
    }

    #[test]
    fn the_last_file_and_in_it_the_last_line_wins() {
        let settings = settings(&["[DEFAULT]\na=1\n", "[DEFAULT]\na=2\na=3\n", "[g]\na=4\n"]);
        assert_eq!(
            found(&settings, &[("DEFAULT", "a")]),
            Some(("3".to_owned(), "1.conf:3".to_owned()))
        );
    }

    #[test]
    fn an_old_name_loses_to_the_new_one_in_the_same_file_only() {
        let names = [("DEFAULT", "new"), ("DEFAULT", "old")];
        let same = settings(&["[DEFAULT]\nnew=1\nold=2\n"]);
        assert_eq!(found(&same, &names).unwrap().0, "1");
        let later = settings(&["[DEFAULT]\nnew=1\n", "[DEFAULT]\nold=2\n"]);
        assert_eq!(found(&later, &names).unwrap().0, "2");
    }

    #[test]
    fn a_multi_valued_option_keeps_all_in_order() {
        let settings = settings(&["[Cache]\nargument=1\nargument=2\n", "[cache]\nargument=3\n"]);
        let all = settings.find_all(&[("cache", "argument")]);
        let values: Vec<_> = all.iter().map(Setting::value).collect();
        assert_eq!(values, ["1", "2", "3"]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("bytes"), b"[DEFAULT]\n# caf\xe9\n").unwrap();
        std::fs::write(at("good"), "[DEFAULT]\na = 1\n").unwrap();
        let (settings, unreadable) = Settings::read(&[
            ConfigSource::File(at("none")),
            ConfigSource::Dir(at("nowhere")),
            ConfigSource::File(at("bytes")),
            ConfigSource::File(at("good")),
        ]);
        let told: Vec<_> = unreadable
            .iter()
            .map(|one| format!("{}: {}", one.place, one.problem))
            .collect();
        let here = dir.path().display();
        assert_eq!(
            told,
            [
                format!(
                    "{here}/none: cannot read the file: No such file or directory (os error 2)"
                ),
                format!(
                    "{here}/nowhere: cannot list the directory: No such file or directory (os error 2)"
                ),
                format!("{here}/bytes:2: not UTF-8 text"),
            ]
        );
        assert!(settings.find(&[("DEFAULT", "a")]).is_some());
    }
}
