use std::fmt::Write;
use std::path::PathBuf;

use super::assert_printable;
use crate::config::Config;
use crate::config::oslo::Settings;
use crate::config::oslo::lexer::{Assignment, SyntaxError, lex};

/// oslo.config's files ([`crate::config::oslo`]) and what they configure: every line is
/// read or reported, assignments that are written down again are read in the same way,
/// and a worker gets the configuration that the supervisor has.
pub fn oslo_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (assignments, errors) = lex(text);
    assert_each_line_counts_once(text, &assignments, &errors);
    assert_is_read_again(&assignments);
    assert_is_handed_on(text);
}

fn assert_each_line_counts_once(text: &str, assignments: &[Assignment], errors: &[SyntaxError]) {
    let count = text.split(['\n', '\r']).count();
    let mut lines: Vec<usize> = assignments.iter().map(|one| one.line).collect();
    lines.extend(errors.iter().map(|error| error.line));
    lines.sort_unstable();
    assert!(lines.iter().all(|line| (1..=count).contains(line)));
    assert!(lines.is_sorted_by(|a, b| a < b), "a line counts twice");
}

fn assert_is_read_again(assignments: &[Assignment]) {
    let written = written(assignments);
    let (again, errors) = lex(&written);
    assert_eq!(errors, [], "{written}");
    let plain = |all: &[Assignment]| -> Vec<_> {
        let plain = |one: &Assignment| (one.group.clone(), one.name.clone(), one.value.clone());
        all.iter().map(plain).collect()
    };
    assert_eq!(plain(&again), plain(assignments), "{written}");
}

/// Quoted, so that blanks around values stay.
fn written(assignments: &[Assignment]) -> String {
    // A blank that continues nothing, before what would be a comment or a section.
    const BLANK: char = '\u{a0}';
    let mut text = String::new();
    for Assignment {
        group, name, value, ..
    } in assignments
    {
        let mut lines = value.split('\n');
        let first = lines.next().unwrap_or_default();
        // Writing to a String does not fail.
        let _ = writeln!(text, "[{group}]\n{BLANK}{name} = \"{first}\"");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn assert_is_handed_on(text: &str) {
    let mut settings = Settings::default();
    let mut unreadable = Vec::new();
    settings.add(PathBuf::from("f.conf"), text, &mut unreadable);
    match Config::of(&settings, unreadable, None) {
        Ok(config) => {
            let told = serde_json::to_vec(&config).ok();
            let heard = told.and_then(|told| serde_json::from_slice(&told).ok());
            assert_eq!(heard, Some(config));
        }
        Err(errors) => {
            assert!(!errors.0.is_empty(), "refused without a reason");
            for error in errors.0 {
                let message = error.to_string();
                assert_printable(&message);
                assert!(!message.contains('\n'), "two lines: {message}");
            }
        }
    }
}
