//! The side-by-side report: one page with plots, from what each part left.

mod markdown;
mod numbers;
mod parts;
mod plot;
mod results;
mod section;
mod sentences;
mod table;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::section::Section;

const PAGE: &str = "benchmarks.md";

/// Writes `benchmarks.md` and its plots below `docs` from the documents in `results`.
/// Returns the page's path.
///
/// # Errors
/// When a document cannot be understood, or a file cannot be written.
pub(super) fn write(results: &Path, docs: &Path) -> Result<PathBuf> {
    let sections = parts::sections(results)?;
    let plots = docs.join(markdown::PLOTS);
    fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    remove_plots(&plots)?;
    for (name, svg) in svgs(&sections) {
        write_file(&plots.join(name), &svg)?;
    }
    let page = docs.join(PAGE);
    write_file(&page, &markdown::page(&sections))?;
    Ok(page)
}

/// Each plot's file name with its text.
fn svgs(sections: &[Section]) -> Vec<(String, String)> {
    let of_section = |section: &Section| {
        let svg = |question: &section::Question| {
            (section.file(question), question.plot.svg(&question.heading))
        };
        section.questions().map(svg).collect::<Vec<_>>()
    };
    sections.iter().flat_map(of_section).collect()
}

/// Those of an earlier page that nothing shows any more.
fn remove_plots(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "svg") {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
    }
    Ok(())
}

fn write_file(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
