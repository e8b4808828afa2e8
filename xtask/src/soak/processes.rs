//! The processes of one daemon, whoever their parents are now: told by the program that
//! they execute, of which each daemon has a copy.

use std::fs;
use std::path::Path;

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Supervisor,
    Worker,
    /// Forked from the worker, whose command line it has.
    Warden,
    Holder,
}

/// A living process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Process {
    pub(super) role: Role,
    pub(super) pid: u32,
}

/// All that execute this program, in order.
pub(super) fn executing(program: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let found = pids.filter_map(|pid| {
        let executed = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (executed == program).then(|| Process {
            role: role_of(&line, name.trim_end()),
            pid,
        })
    });
    let mut all: Vec<_> = found.collect();
    all.sort_unstable();
    all
}

fn role_of(command_line: &[u8], name: &str) -> Role {
    match command_line.split(|byte| *byte == 0).nth(1) {
        Some(b"worker") if name == "metadatad-ward" => Role::Warden,
        Some(b"worker") => Role::Worker,
        Some(b"holder") => Role::Holder,
        _ => Role::Supervisor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_argument_tells_the_role_or_the_name() {
        let role_of = |line: &[u8]| role_of(line, "metadatad");
        assert_eq!(role_of(b"metadatad\0worker\0--uid\0"), Role::Worker);
        assert_eq!(role_of(b"metadatad\0holder\0"), Role::Holder);
        assert_eq!(role_of(b"/x/metadatad\0run\0"), Role::Supervisor);
        let warden = super::role_of(b"metadatad\0worker\0", "metadatad-ward");
        assert_eq!(warden, Role::Warden);
    }
}
