//! One file's text to its assignments.

use zeroize::Zeroizing;

use super::normalize_group;
use crate::config::wiped_text::append;

/// `name = value` inside a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Normalized: `DEFAULT`, or lower case.
    pub group: String,
    pub name: String,
    /// Continuation lines are joined by newlines. Any value may be a secret.
    pub value: Zeroizing<String>,
    /// Of the first line, counted from 1.
    pub line: usize,
}

/// A line that is none of comment, section, assignment, continuation. The line
/// itself is not repeated: it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub line: usize,
    pub problem: &'static str,
}

const NO_ASSIGNMENT: &str = "expected `option = value`, a `[group]` or a `#` comment";
const NO_NAME: &str = "expected an option's name before the `=`";
const NO_SECTION: &str = "expected a `[group]`, for example `[DEFAULT]`, before the first option";
const NO_BRACKET: &str = "expected the line to end with the `]` of the group's name";
const NO_GROUP_NAME: &str = "expected a group's name between `[` and `]`";
const STRAY_CONTINUATION: &str =
    "a line that begins with a blank continues the option before it, but there is none";

/// Reads everything that can be read and reports everything that cannot.
pub fn lex(text: &str) -> (Vec<Assignment>, Vec<SyntaxError>) {
    let mut lexer = Lexer::default();
    for (index, line) in lines(text).enumerate() {
        lexer.line(index + 1, line.trim_end());
    }
    (lexer.assignments, lexer.errors)
}

/// Python opens the file with universal newlines.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

#[derive(Default)]
struct Lexer {
    section: Section,
    previous: Previous,
    assignments: Vec<Assignment>,
    errors: Vec<SyntaxError>,
}

#[derive(Default)]
enum Section {
    #[default]
    NotStarted,
    Group(String),
    /// Its header was in error; what follows belongs to no known group.
    Unreadable,
}

/// What a line that begins with a blank would continue.
#[derive(Default, PartialEq)]
enum Previous {
    #[default]
    Nothing,
    Assignment,
    /// A line in error, or without a group: its continuation is not one more error.
    Discarded,
}

impl Lexer {
    fn line(&mut self, number: usize, line: &str) {
        if line.is_empty() {
            self.previous = Previous::Nothing;
        } else if line.starts_with([' ', '\t']) {
            self.continuation(number, line.trim_start());
        } else if let Some(header) = line.strip_prefix('[') {
            self.previous = Previous::Nothing;
            self.section(number, header);
        } else if line.starts_with(['#', ';']) {
            self.previous = Previous::Nothing;
        } else {
            self.assignment(number, line);
        }
    }

    fn error(&mut self, line: usize, problem: &'static str) {
        self.errors.push(SyntaxError { line, problem });
    }

    fn section(&mut self, number: usize, header: &str) {
        self.section = match header.strip_suffix(']') {
            Some("") => {
                self.error(number, NO_GROUP_NAME);
                Section::Unreadable
            }
            Some(name) => Section::Group(normalize_group(name)),
            None => {
                self.error(number, NO_BRACKET);
                Section::Unreadable
            }
        };
    }

    fn assignment(&mut self, line: usize, text: &str) {
        self.previous = Previous::Discarded;
        let Some((name, value)) = text.split_once(['=', ':']) else {
            return self.error(line, NO_ASSIGNMENT);
        };
        let name = name.trim();
        if name.is_empty() {
            return self.error(line, NO_NAME);
        }
        match &self.section {
            Section::NotStarted => self.error(line, NO_SECTION),
            Section::Unreadable => {}
            Section::Group(group) => {
                self.previous = Previous::Assignment;
                self.assignments.push(Assignment {
                    group: group.clone(),
                    name: name.to_owned(),
                    value: Zeroizing::new(unquote(value.trim()).to_owned()),
                    line,
                });
            }
        }
    }

    fn continuation(&mut self, number: usize, text: &str) {
        match (&self.previous, self.assignments.last_mut()) {
            (Previous::Assignment, Some(last)) => {
                append(&mut last.value, "\n");
                append(&mut last.value, text);
            }
            (Previous::Discarded, _) => {}
            _ => self.error(number, STRAY_CONTINUATION),
        }
    }
}

/// Quotes count only around the whole first line; a lone quote is empty
/// (`BaseParser._split_key_value`).
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return match rest.strip_suffix(quote) {
                Some(inside) => inside,
                None if rest.is_empty() => rest,
                None => value,
            };
        }
    }
    value
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(text: &str) -> Vec<(String, String, String)> {
        let (assignments, errors) = lex(text);
        assert_eq!(errors, [], "{text}");
        let plain = |one: &Assignment| (one.group.clone(), one.name.clone(), one.value.to_string());
        assignments.iter().map(plain).collect()
    }

    fn value_of(line: &str) -> String {
        let mut all = values(&format!("[DEFAULT]\n{line}"));
        assert_eq!(all.len(), 1, "{line}");
        all.remove(0).2
    }

    /// Each outcome was seen with oslo.config 10.3.
    #[test]
    fn values_are_what_oslo_config_reads() {
        for (line, value) in [
            ("a = one", "one"),
            ("a: one = two", "one = two"),
            ("a=one:two", "one:two"),
            ("a = 1;x # y", "1;x # y"),
            ("a =", ""),
            ("a = \"quoted \"", "quoted "),
            ("a = 'quoted'", "quoted"),
            ("a = \"", ""),
            ("a = \"open", "\"open"),
            ("a = 'mixed\"", "'mixed\""),
            ("a = \"one\n  two\n\tthree\"", "\"one\ntwo\nthree\""),
            ("a = one\n  # no comment\n  \n", "one\n# no comment"),
            ("a = one\r\n  two\r\n", "one\ntwo"),
        ] {
            assert_eq!(value_of(line), value, "{line}");
        }
    }

    #[test]
    fn groups_are_lower_case_and_default_is_written_so() {
        let text = "[AGENT]\na=1\n[DEFAULT]\nb=2\n[default]\nc=3\n";
        let groups: Vec<_> = values(text).into_iter().map(|one| one.0).collect();
        assert_eq!(groups, ["agent", "DEFAULT", "default"]);
    }

    #[test]
    fn every_bad_line_is_reported_once() {
        let text = "lost = 1\n  more\n[DEFAULT\nskipped = 1\n[]\n[DEFAULT]\n  stray\n\
                    nonsense\n  of two lines\n= value\ngood = 1\n";
        let (assignments, errors) = lex(text);
        let found: Vec<_> = errors.iter().map(|e| (e.line, e.problem)).collect();
        assert_eq!(
            found,
            [
                (1, NO_SECTION),
                (3, NO_BRACKET),
                (5, NO_GROUP_NAME),
                (7, STRAY_CONTINUATION),
                (8, NO_ASSIGNMENT),
                (10, NO_NAME),
            ]
        );
        let names: Vec<_> = assignments.iter().map(|a| (&*a.name, a.line)).collect();
        assert_eq!(names, [("good", 11)]);
    }

    #[test]
    fn a_blank_or_commented_line_ends_a_value() {
        for between in ["\n", "# note\n", "[g]\n"] {
            let (_, errors) = lex(&format!("[g]\na = 1\n{between}  b\n"));
            assert_eq!(errors.len(), 1, "{between}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_read_or_reported(text in "(?s)([\\[\\]=:#; \t\r\n\"'$a-c]|.){0,200}") {
            let count = lines(&text).count();
            let (assignments, errors) = lex(&text);
            prop_assert!(assignments.len() + errors.len() <= count);
            prop_assert!(errors.iter().all(|error| (1..=count).contains(&error.line)));
        }

        #[test]
        fn what_is_written_plainly_is_read_back(name in "[a-z_]{1,12}", value in "[a-zA-Z0-9/.,-]{0,30}") {
            prop_assert_eq!(value_of(&format!("{name} = {value}")), value);
        }
    }
}
