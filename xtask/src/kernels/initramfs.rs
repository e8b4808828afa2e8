//! What a kernel boots to: our binaries, the tools that the laboratory calls,
//! and the modules that a network node would load.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::programs::{bring, copy_file};
use super::tree::Kernel;
use crate::process;

/// What programs are called inside, as paths from the root.
pub(super) const INIT: &str = "init";
pub(super) const METADATAD: &str = "usr/bin/metadatad";

/// The laboratory calls these.
const TOOLS: &[&str] = &["ip", "tc", "bpftool", "env"];

/// The kernel asks for them itself, by calling modprobe.
const MODULES: &[&str] = &["veth", "cls_bpf", "sch_ingress"];

/// The worker's account, as every Debian has it.
const ACCOUNTS: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/:/bin/false\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\n"),
];

/// Writes the initramfs of a kernel and says where it is.
///
/// # Errors
/// When something that belongs into it is missing.
pub(super) fn make(kernel: &Kernel, metadatad: &Path, place: &Path) -> Result<PathBuf> {
    let root = tempfile::tempdir_in(place)?;
    let root = root.path();
    bring(&std::env::current_exe()?, root, INIT)?;
    bring(metadatad, root, METADATAD)?;
    for tool in TOOLS {
        bring(&find(tool)?, root, &format!("usr/sbin/{tool}"))?;
    }
    // Where the kernel looks for it.
    bring(&find("modprobe")?, root, "sbin/modprobe")?;
    bring_modules(kernel, root)?;
    for (file, text) in ACCOUNTS {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap_or(root))?;
        fs::write(file, text)?;
    }
    let archive = place.join("initramfs.cpio");
    let mut pack = Command::new("sh");
    pack.args([
        "-c",
        "find . | cpio --create --format=newc --owner=+0:+0 --quiet > \"$0\"",
    ]);
    process::read(pack.arg(&archive).current_dir(root))?;
    Ok(archive)
}

fn find(program: &str) -> Result<PathBuf> {
    process::find(program).with_context(|| format!("there is no {program} on this machine"))
}

fn bring_modules(kernel: &Kernel, root: &Path) -> Result<()> {
    let directory = kernel.base.join("lib/modules").join(&kernel.release);
    for module in MODULES {
        let mut closure = Command::new("modprobe");
        closure.arg("--dirname").arg(&kernel.base);
        closure.args(["--set-version", &kernel.release]);
        closure.args(["--show-depends", module]);
        for file in files(&process::read(&mut closure)?) {
            copy_file(&file, &root.join(file.strip_prefix(&kernel.base)?))?;
        }
    }
    // Says which names of modules are part of the kernel.
    for list in ["modules.builtin", "modules.order"] {
        let to = root.join("lib/modules").join(&kernel.release).join(list);
        copy_file(&directory.join(list), &to)?;
    }
    let mut depmod = Command::new("depmod");
    depmod.arg("--basedir").arg(root).arg(&kernel.release);
    process::read(&mut depmod)?;
    Ok(())
}

/// The files that `modprobe --show-depends` would load.
fn files(depends: &str) -> Vec<PathBuf> {
    let file = |line: &str| Some(line.strip_prefix("insmod ")?.trim().into());
    depends.lines().filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_is_no_file() {
        let depends = "builtin tun\ninsmod /a/lib/modules/6.1/kernel/veth.ko \n";
        assert_eq!(
            files(depends),
            [PathBuf::from("/a/lib/modules/6.1/kernel/veth.ko")]
        );
    }
}
