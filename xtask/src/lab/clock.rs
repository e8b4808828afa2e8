//! Clocks that jump, for one daemon: its programs ask a library of ours for the time.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use super::daemon::Surroundings;
use crate::process;

/// `clock_gettime` as the C library has it, with seconds added that stand in a file.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *jumps;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FALSE_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *map = mmap(NULL, 2 * sizeof(long long), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED)
        jumps = map;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && jumps && clock == CLOCK_REALTIME)
        now->tv_sec += jumps[0];
    if (!failed && jumps && clock == CLOCK_MONOTONIC)
        now->tv_sec += jumps[1];
    return failed;
}
"#;

/// The clocks of one daemon.
#[derive(Debug)]
pub struct Clock {
    directory: TempDir,
    jumps: File,
}

impl Clock {
    /// Clocks that are right.
    ///
    /// # Errors
    /// When there is no C compiler.
    pub fn right() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("clock-").tempdir()?;
        let source = directory.path().join("clock.c");
        fs::write(&source, LIBRARY)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
        compiler.arg(directory.path().join("clock.so")).arg(&source);
        process::read(&mut compiler)?;
        let jumps = File::create_new(directory.path().join("jumps"))?;
        jumps.write_all_at(&[0; 16], 0)?;
        Ok(Self { directory, jumps })
    }

    /// The time of day is now so many seconds off.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_time_of_day(&self, seconds: i64) -> Result<()> {
        Ok(self.jumps.write_all_at(&seconds.to_ne_bytes(), 0)?)
    }

    /// The clock by which time-outs are measured leaps, as on a virtual machine that stood
    /// still.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn leap(&self, seconds: i64) -> Result<()> {
        Ok(self.jumps.write_all_at(&seconds.to_ne_bytes(), 8)?)
    }
}

impl Surroundings for Clock {
    fn prepare(&self, command: &mut Command) -> Result<()> {
        let file = |name| self.directory.path().join(name);
        command.env("LD_PRELOAD", file("clock.so"));
        command.env("FALSE_CLOCK", file("jumps"));
        Ok(())
    }
}
