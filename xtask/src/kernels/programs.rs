//! Programs of this machine, brought to another with the libraries they need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Copies `program` to `to` below `root`, and its libraries to where they are
/// here.
///
/// # Errors
/// When one cannot be read, or written there.
pub(super) fn bring(program: &Path, root: &Path, to: &str) -> Result<()> {
    let copy = root.join(to);
    copy_file(program, &copy)?;
    // The debug information is most of a Rust program.
    process::read(Command::new("strip").arg("--strip-debug").arg(&copy))?;
    for library in libraries(&process::read(Command::new("ldd").arg(program))?) {
        let copy = root.join(library.strip_prefix("/")?);
        if !copy.exists() {
            copy_file(&library, &copy)?;
        }
    }
    Ok(())
}

/// Copies a file, making the directories above it.
///
/// # Errors
/// When it cannot be read or written.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// The files that `ldd` names; not the one that the kernel provides.
fn libraries(ldd: &str) -> Vec<PathBuf> {
    ldd.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(|word| PathBuf::from(word.trim_end_matches(':')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_ldd() {
        let ldd = "\tlinux-vdso.so.1 (0x00007fa1c3ae7000)\n\
                   \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fa1c2d3e000)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007fa1c3ae9000)\n";
        assert_eq!(
            libraries(ldd),
            [
                "/lib/x86_64-linux-gnu/libc.so.6",
                "/lib64/ld-linux-x86-64.so.2"
            ]
            .map(PathBuf::from)
        );
    }
}
