//! The supervisor, started without any unit, has no power over other users' files, and what is
//! in its memory stays there.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, setgroups};
use tempfile::TempDir;
use xtask::lab::daemon::{Setup, Surroundings, send};
use xtask::lab::running::Running;
use xtask::lab::site::Site;
use xtask::lab::{proc, unique, wait};
use xtask::process;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const LIMIT: Duration = Duration::from_secs(20);
/// Who is not root.
const STRANGER: u32 = 54_321;

/// A configuration, and an inventory in a directory of a stranger's.
struct Api {
    directory: TempDir,
    port: u16,
}

impl Api {
    fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        let api = Self {
            directory,
            port: unique::loopback_port()?,
        };
        let state = api.path("state");
        fs::write(
            api.path("conf"),
            format!("[DEFAULT]\nstate_path = {}\n", state.display()),
        )?;
        fs::create_dir(api.path("theirs"))?;
        chown(api.path("theirs"), Some(STRANGER), Some(STRANGER))?;
        Ok(api)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// With all that root may, and a group besides.
    fn command(&self) -> Command {
        let mut command = Command::new(METADATAD);
        command.arg("api").arg("--config-file");
        command.arg(self.path("conf")).arg("--inventory");
        command.arg(self.path("theirs/inventory.toml"));
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // SAFETY: a system call, and nothing else, between fork and exec.
        unsafe { command.pre_exec(|| Ok(setgroups(&[Gid::from_raw(STRANGER)])?)) };
        command
    }

    /// Why a daemon would not start.
    fn refusal(&self) -> Result<String> {
        let mut command = self.command();
        let ended = command.arg("--verify").stderr(Stdio::piped()).output()?;
        assert!(!ended.status.success(), "{}", ended.status);
        Ok(String::from_utf8(ended.stderr)?)
    }
}

fn write(path: &Path, text: &str, owner: u32) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(chown(path, Some(owner), Some(owner))?)
}

/// Capabilities over other users and their files (linux/capability.h): `CAP_CHOWN`,
/// `CAP_DAC_OVERRIDE`, `CAP_DAC_READ_SEARCH`, `CAP_FOWNER`, `CAP_FSETID`, `CAP_KILL`.
const OVER_OTHERS: u64 = 0b11_1111;

#[test]
fn without_the_unit_it_has_no_power_over_others_either() -> Result<()> {
    let api = Api::new()?;
    write(&api.path("theirs/inventory.toml"), "", STRANGER)?;
    fs::set_permissions(api.path("theirs"), Permissions::from_mode(0o700))?;
    let mut command = api.command();
    process::in_background(&mut command);
    let daemon = Running::start(&mut command)?;
    wait::until("the API listens", LIMIT, || {
        Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, api.port)).is_ok())
    })?;
    let pid = daemon.id();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let capabilities = u64::from_str_radix(&proc::status(pid, set)?, 16)?;
        assert_eq!(capabilities & OVER_OTHERS, 0, "{set}: {capabilities:x}");
    }
    assert_eq!(proc::status(pid, "Groups")?, "");
    Ok(())
}

#[test]
fn a_strangers_link_does_not_lead_to_what_is_roots() -> Result<()> {
    let api = Api::new()?;
    write(&api.path("ours"), "a 5ecret of root's", 0)?;
    let link = api.path("theirs/inventory.toml");
    symlink(api.path("ours"), link)?;
    let said = api.refusal()?;
    assert!(said.contains("inventory.toml\" cannot be read"), "{said}");
    let rights = format!("with the rights of uid {STRANGER}, to whom ");
    assert!(said.contains(&rights), "{said}");
    assert!(!said.contains("5ecret"), "{said}");
    Ok(())
}

/// As sudo, and a login of root's, start a command.
#[test]
fn nor_does_it_for_a_command_of_one_in_roots_group() -> Result<()> {
    let api = Api::new()?;
    let ours = api.path("ours");
    write(&ours, "a 5ecret of root's", 0)?;
    fs::set_permissions(&ours, Permissions::from_mode(0o640))?;
    let link = api.path("theirs/conf");
    symlink(&ours, &link)?;
    let mut command = Command::new(METADATAD);
    command.arg("check").arg("--config-file").arg(link);
    // SAFETY: a system call, and nothing else, between fork and exec.
    unsafe { command.pre_exec(|| Ok(setgroups(&[Gid::from_raw(0)])?)) };
    let said = String::from_utf8(command.output()?.stdout)?;
    let rights = format!("with the rights of uid {STRANGER}, to whom ");
    assert!(said.contains(&rights), "{said}");
    Ok(())
}

#[test]
fn a_strangers_inventory_does_not_have_what_is_roots_served() -> Result<()> {
    let api = Api::new()?;
    write(&api.path("ours"), "a 5ecret of root's", 0)?;
    let inventory = format!(
        "[[instance]]\nuuid = \"00000001-0000-4000-8000-000000000000\"\nproject_id = \"p\"\n\
         name = \"n\"\nuser_data_file = {:?}\n",
        api.path("ours")
    );
    write(&api.path("theirs/inventory.toml"), &inventory, STRANGER)?;
    let said = api.refusal()?;
    assert!(said.contains("user_data_file: "), "{said}");
    let rights = format!("with the rights of uid {STRANGER}, to whom ");
    assert!(said.contains(&rights), "{said}");
    Ok(())
}

/// Where nothing else hinders a core dump, as systemd would not, and an operator's shell.
#[derive(Debug)]
struct RoomForDumps(TempDir);

impl Surroundings for RoomForDumps {
    fn prepare(&self, command: &mut Command) -> Result<()> {
        let unlimited = || {
            setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY)?;
            Ok(())
        };
        command.current_dir(self.0.path());
        // SAFETY: a system call, and nothing else, between fork and exec.
        unsafe { command.pre_exec(unlimited) };
        Ok(())
    }
}

impl RoomForDumps {
    fn new() -> Result<Arc<Self>> {
        let room = tempfile::tempdir()?;
        fs::set_permissions(room.path(), Permissions::from_mode(0o777))?;
        Ok(Arc::new(Self(room)))
    }

    /// Whether a process that aborts there leaves a dump at all on this machine.
    fn suffices(&self) -> Result<bool> {
        let mut command = Command::new("sh");
        command.args(["-c", "kill -ABRT $$"]);
        self.prepare(&mut command)?;
        Ok(command.status()?.core_dumped())
    }
}

#[test]
fn no_core_dump_is_made_of_either_process() -> Result<()> {
    let room = RoomForDumps::new()?;
    if !room.suffices()? {
        eprintln!("not tried: kernel.core_pattern lets nobody have a core dump");
        return Ok(());
    }
    // With a Nova of its own it acts as no other user, for which alone Linux makes no dump.
    let roomy = |setup: Setup| setup.nova_port(1).inside(room.clone());
    let mut site = Site::with(METADATAD, |_| {}, roomy)?;
    let worker = site.daemon.worker_pid()?;
    send(worker, Signal::SIGABRT)?;
    site.daemon.wait_log(&["the worker ended", "SIGABRT"])?;
    assert!(!site.daemon.log().contains("core dumped"));
    let ended = site.daemon.end_by(Signal::SIGABRT)?;
    assert_eq!(ended.signal(), Some(Signal::SIGABRT as i32));
    assert!(!ended.core_dumped());
    Ok(())
}
