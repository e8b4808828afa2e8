//! The invariants of ARCHITECTURE.md that a program can check.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Longer files hold two ideas.
const MAX_LINES: usize = 400;

/// Text that may stand in one part of a crate only.
struct Confined {
    text: &'static str,
    within: &'static str,
    places: &'static [&'static str],
    reason: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined {
        text: "setns(",
        within: "metadata-userspace/src/",
        places: &["metadata-userspace/src/netns.rs"],
        reason: "a thread that comes back into the wrong namespace is found in one file",
    },
    Confined {
        text: "aya::",
        within: "metadata-userspace/src/",
        places: &["metadata-userspace/src/datapath"],
        reason: "the datapath alone knows how programs are loaded",
    },
];

/// What sends its readers to files.
const DOCUMENTS: [&str; 2] = ["README.md", "ARCHITECTURE.md"];

/// Checks every Rust file below `root`, and what documents say of them.
///
/// # Errors
/// When a file breaks an invariant; the error lists all that do.
pub(super) fn check(root: &Path) -> Result<()> {
    let read = |name: &str| {
        let text = fs::read_to_string(root.join(name));
        text.with_context(|| format!("cannot read {name}"))
    };
    let (mut names, mut findings) = (Vec::new(), Vec::new());
    for file in rust_files(root)? {
        let name = file.strip_prefix(root)?.to_string_lossy().into_owned();
        findings.extend(faults(&name, &read(&name)?));
        names.push(name);
    }
    for document in DOCUMENTS {
        let text = read(document)?;
        let paths = dangling(&text, &names);
        findings.extend(paths.map(|path| format!("{document}: there is no {path}")));
    }
    if !findings.is_empty() {
        bail!("the architecture is violated:\n  {}", findings.join("\n  "));
    }
    Ok(())
}

/// What is wrong with a file of this name and text.
fn faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        faults.push(format!("{name}: {lines} lines, {MAX_LINES} at most"));
    }
    if name.ends_with("/mod.rs") {
        faults.push(format!("{name}: a module `foo` is foo.rs, beside foo/"));
    }
    for confined in CONFINED {
        let is_allowed = confined.places.iter().any(|place| name.starts_with(place));
        if name.starts_with(confined.within) && !is_allowed && text.contains(confined.text) {
            let Confined {
                text,
                places,
                reason,
                ..
            } = confined;
            faults.push(format!("{name}: `{text}` belongs to {places:?}: {reason}"));
        }
    }
    faults
}

/// Paths of Rust files in a document at whose end no file's path ends.
fn dangling<'a>(document: &'a str, files: &'a [String]) -> impl Iterator<Item = &'a str> {
    let is_path = |code: &&str| code.ends_with(".rs") && !code.contains(char::is_whitespace);
    let is_there = |path: &&str| files.iter().any(|file| Path::new(file).ends_with(path));
    let paths = document.split('`').filter(is_path);
    paths.filter(move |path| !is_there(path))
}

fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut directories: Vec<PathBuf> = ["metadata-ebpf", "metadata-userspace", "xtask"]
        .map(|part| root.join(part))
        .into();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_place_that_changes_namespaces_is_found() {
        let text = "nix::sched::setns(file, flags)";
        assert_eq!(faults("metadata-userspace/src/netns.rs", text).len(), 0);
        assert_eq!(faults("metadata-userspace/src/proxy.rs", text).len(), 1);
        assert_eq!(faults("xtask/src/lab/namespace.rs", text).len(), 0);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_found() {
        let files = ["xtask/src/a.rs", "xtask/src/a/b.rs"].map(str::to_owned);
        let found = |document| dangling(document, &files).collect::<Vec<_>>();
        assert_eq!(
            found("see `a.rs`, `src/a/b.rs` and\n`ab.rs` or `c of.rs`"),
            ["ab.rs"]
        );
        assert_eq!(found("`b/a.rs`"), ["b/a.rs"]);
    }

    #[test]
    fn a_file_of_two_ideas_is_found() {
        assert_eq!(faults("xtask/src/a.rs", &"\n".repeat(400)).len(), 0);
        assert_eq!(faults("xtask/src/a.rs", &"\n".repeat(401)).len(), 1);
    }
}
