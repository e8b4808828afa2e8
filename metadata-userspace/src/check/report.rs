//! What `metadatad check` prints.

use std::fmt;

use serde::Serialize;

use super::{Finding, Severity};
use crate::config::{ConfigErrors, Note};

/// Everything that was found. As JSON: `ok`, `config_errors`, `notes`,
/// `findings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `run` would start and serve.
    pub ok: bool,
    /// When there is one, the host was not looked at.
    pub config_errors: Vec<String>,
    pub notes: Vec<Note>,
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn of_faults(errors: ConfigErrors) -> Self {
        Self {
            ok: false,
            config_errors: errors.0.iter().map(ToString::to_string).collect(),
            notes: Vec::new(),
            findings: Vec::new(),
        }
    }

    pub(super) fn of_host(notes: Vec<Note>, findings: Vec<Finding>) -> Self {
        let faulty = findings
            .iter()
            .any(|finding| finding.severity == Severity::Error);
        Self {
            ok: !faulty,
            config_errors: Vec::new(),
            notes,
            findings,
        }
    }

    fn count(&self, severity: Severity) -> usize {
        let these = self.findings.iter().filter(|one| one.severity == severity);
        these.count()
    }
}

/// Text for a terminal: worst findings last, where the eye is.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "configuration")?;
        for error in &self.config_errors {
            line(f, "error", error)?;
        }
        for note in &self.notes {
            line(f, "note", &note.to_string())?;
        }
        if !self.config_errors.is_empty() {
            let count = self.config_errors.len();
            return write!(f, "\nerrors: {count}; this host was not looked at");
        }
        line(f, "ok", "every option can be used")?;
        writeln!(f, "\nhost")?;
        let mut findings: Vec<_> = self.findings.iter().collect();
        findings.sort_by_key(|finding| finding.severity);
        for finding in findings {
            let label = match finding.severity {
                Severity::Ok => "ok",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            line(f, label, &finding.what)?;
            if let Some(remedy) = &finding.remedy {
                line(f, "", &format!("-> {remedy}"))?;
            }
        }
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        write!(f, "\nerrors: {errors}, warnings: {warnings}")
    }
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    const INDENT: &str = "           ";
    let text = text.trim_end().replace('\n', &format!("\n{INDENT}"));
    writeln!(f, "  {label:<7}  {text}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn finding(severity: Severity, what: &str, remedy: Option<&str>) -> Finding {
        Finding {
            severity,
            what: what.to_owned(),
            remedy: remedy.map(str::to_owned),
        }
    }

    fn report() -> Report {
        let note = Note {
            place: "/etc/neutron/neutron.conf:3".to_owned(),
            option: "[DEFAULT] host".to_owned(),
            text: "seen and not used: no".to_owned(),
        };
        Report::of_host(
            vec![note],
            vec![
                finding(Severity::Error, "no\nway", Some("go")),
                finding(Severity::Ok, "fine", None),
            ],
        )
    }

    #[test]
    fn text_puts_the_worst_last_and_counts() {
        let text = "\
configuration
  note     /etc/neutron/neutron.conf:3: [DEFAULT] host: seen and not used: no
  ok       every option can be used

host
  ok       fine
  error    no
           way
           -> go

errors: 1, warnings: 0";
        assert_eq!(report().to_string(), text);
        assert!(!report().ok);
    }

    #[test]
    fn json_has_the_same() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "ok": false,
                "config_errors": [],
                "notes": [{
                    "place": "/etc/neutron/neutron.conf:3",
                    "option": "[DEFAULT] host",
                    "text": "seen and not used: no",
                }],
                "findings": [
                    {"severity": "error", "what": "no\nway", "remedy": "go"},
                    {"severity": "ok", "what": "fine", "remedy": null},
                ],
            })
        );
    }

    #[test]
    fn faults_of_the_configuration_end_the_report() {
        let error = crate::config::ConfigError {
            place: None,
            option: Some(("metadatad".to_owned(), "inventory".to_owned())),
            problem: "must be set".to_owned(),
        };
        let report = Report::of_faults(ConfigErrors(vec![error]));
        assert_eq!(
            report.to_string(),
            "configuration\n  error    [metadatad] inventory: must be set\n\n\
             errors: 1; this host was not looked at"
        );
        assert!(!report.ok);
    }
}
