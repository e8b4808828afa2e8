//! The attempts, and how each has to end.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc::{self, c_char, c_long};

use crate::outcome::Outcome::{self, Done, Killed, Refused};
use crate::sockets;
use crate::world::Worker::{self, Plain, WithPasswords, WithUnixUpstream};
use crate::world::World;

pub(crate) struct Attempt {
    pub(crate) name: &'static str,
    pub(crate) worker: Worker,
    pub(crate) make: fn(&World) -> nix::Result<()>,
    /// Inside of the sandbox; outside, each is done.
    pub(crate) expected: Outcome,
    /// By which version of Landlock; nothing does on kernels with an older one. 0: by the
    /// filters of system calls, which every kernel has.
    pub(crate) landlock: u32,
}

impl Attempt {
    /// Inside of the sandbox, on a kernel with this version of Landlock.
    pub(crate) fn expected_with(&self, landlock: u32) -> Outcome {
        match landlock < self.landlock {
            true => Done,
            false => self.expected,
        }
    }

    const fn since(mut self, landlock: u32) -> Self {
        self.landlock = landlock;
        self
    }
}

/// The kernel acts as if it did not have the call.
const ABSENT: Outcome = Refused(Errno::ENOSYS);

/// Versions of Landlock, by what they know: files; ports of servers; abstract sockets.
const FILES: u32 = 1;
const SERVERS: u32 = 4;
const OTHERS: u32 = 6;

const fn attempt(
    name: &'static str,
    worker: Worker,
    make: fn(&World) -> nix::Result<()>,
    expected: Outcome,
) -> Attempt {
    Attempt {
        name,
        worker,
        make,
        expected,
        landlock: 0,
    }
}

pub(crate) static ATTEMPTS: &[Attempt] = &[
    // What a worker is for.
    attempt("connect_to_nova", Plain, sockets::connect_to_nova, Done),
    attempt("end_by_a_return", Plain, |_| Ok(()), Done),
    // Files.
    attempt("read_a_file", Plain, read_a_file, ABSENT),
    attempt("list_a_directory", Plain, list_a_directory, ABSENT),
    attempt("look_at_a_file", Plain, look_at_a_file, ABSENT),
    attempt("remove_a_file", Plain, remove_a_file, ABSENT),
    // Other programs and code.
    attempt("execute_a_program", Plain, execute_a_program, Killed),
    attempt("make_a_process", Plain, make_a_process, ABSENT),
    attempt("make_memory_executable", Plain, executable_memory, ABSENT),
    attempt("load_a_bpf_map", Plain, bpf_map, Killed),
    attempt("set_up_io_uring", Plain, io_uring, ABSENT),
    // Other processes.
    attempt("signal_the_parent", Plain, signal_the_parent, ABSENT),
    attempt("signal_its_thread", Plain, signal_its_thread, ABSENT),
    attempt(
        "have_the_kernel_signal",
        Plain,
        sockets::own_a_socket,
        ABSENT,
    ),
    attempt("trace", Plain, trace, Killed),
    attempt("read_the_parents_memory", Plain, read_memory, Killed),
    // Namespaces, mounts, ids.
    attempt("enter_a_namespace", Plain, enter_a_namespace, Killed),
    attempt("make_a_namespace", Plain, make_a_namespace, Killed),
    attempt("mount", Plain, mount, Killed),
    attempt("become_somebody_else", Plain, become_nobody, Killed),
    // Other sockets and other servers.
    attempt(
        "open_a_packet_socket",
        Plain,
        sockets::packet_socket,
        ABSENT,
    ),
    attempt("open_a_raw_socket", Plain, sockets::raw_socket, ABSENT),
    attempt("open_a_udp_socket", Plain, sockets::udp_socket, ABSENT),
    attempt(
        "open_a_netlink_socket",
        Plain,
        sockets::netlink_socket,
        ABSENT,
    ),
    attempt("open_a_unix_socket", Plain, sockets::unix_socket, ABSENT),
    attempt("listen", Plain, sockets::listen, ABSENT),
    attempt(
        "connect_to_a_stranger",
        Plain,
        sockets::connect_to_a_stranger,
        Refused(Errno::EACCES),
    )
    .since(SERVERS),
    // Landlock is asked about connect(2) only.
    attempt(
        "connect_by_sendto",
        Plain,
        sockets::connect_by_sendto,
        ABSENT,
    ),
    attempt(
        "connect_by_sendmsg",
        Plain,
        sockets::connect_by_sendmsg,
        ABSENT,
    ),
    // Listeners, which are not its alone.
    attempt("stop_receiving", Plain, sockets::stop_receiving, ABSENT),
    attempt("stop_both_ways", Plain, sockets::stop_both_ways, ABSENT),
    attempt("stop_sending", Plain, sockets::stop_sending, Done),
    attempt("filter_a_socket", Plain, sockets::filter_a_socket, ABSENT),
    attempt(
        "bind_to_an_interface",
        Plain,
        sockets::bind_to_an_interface,
        ABSENT,
    ),
    // With the embedded API, files can be opened where the passwords are.
    attempt("keep_a_password", WithPasswords, keep_a_password, Done),
    attempt(
        "read_another_file",
        WithPasswords,
        read_a_file,
        Refused(Errno::EACCES),
    )
    .since(FILES),
    attempt(
        "list_another_directory",
        WithPasswords,
        list_a_directory,
        Refused(Errno::EACCES),
    )
    .since(FILES),
    attempt(
        "write_another_file",
        WithPasswords,
        write_another_file,
        Refused(Errno::EACCES),
    )
    .since(FILES),
    attempt(
        "remove_another_file",
        WithPasswords,
        remove_a_file,
        Refused(Errno::EACCES),
    )
    .since(FILES),
    attempt(
        "make_a_directory",
        WithPasswords,
        make_a_directory,
        Refused(Errno::EACCES),
    )
    .since(FILES),
    attempt(
        "execute_with_passwords",
        WithPasswords,
        execute_a_program,
        Killed,
    ),
    // With another agent, unix sockets can be connected to where they have a path.
    attempt(
        "connect_to_the_agent",
        WithUnixUpstream,
        sockets::connect_to_the_agent,
        Done,
    ),
    attempt(
        "connect_to_an_abstract_socket",
        WithUnixUpstream,
        sockets::connect_abstract,
        Refused(Errno::EPERM),
    )
    .since(OTHERS),
    attempt(
        "read_a_file_beside_the_agent",
        WithUnixUpstream,
        read_a_file,
        ABSENT,
    ),
];

/// A further argument, as wide as any.
const NONE: c_long = 0;

/// A system call as it is, without a library's detours.
fn call(number: c_long, arguments: [c_long; 4]) -> nix::Result<c_long> {
    let [first, second, third, fourth] = arguments;
    // SAFETY: every pointer among the arguments below is to something that lives until
    // the call is over and is as large as the call takes it to be.
    Errno::result(unsafe { libc::syscall(number, first, second, third, fourth, NONE, NONE) })
}

pub(crate) fn run(number: c_long, arguments: [c_long; 4]) -> nix::Result<()> {
    call(number, arguments).map(drop)
}

pub(crate) fn errno<T>(done: io::Result<T>) -> nix::Result<()> {
    done.map(drop)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))
}

fn address<T: ?Sized>(value: &T) -> c_long {
    std::ptr::from_ref(value).cast::<u8>() as c_long
}

fn read_a_file(_: &World) -> nix::Result<()> {
    errno(fs::read("/etc/passwd"))
}

fn list_a_directory(_: &World) -> nix::Result<()> {
    errno(fs::read_dir("/etc"))
}

fn look_at_a_file(world: &World) -> nix::Result<()> {
    errno(fs::metadata(world.directory.join("other")))
}

fn remove_a_file(world: &World) -> nix::Result<()> {
    errno(fs::remove_file(world.directory.join("other")))
}

fn write_another_file(world: &World) -> nix::Result<()> {
    errno(fs::write(world.directory.join("other"), "changed"))
}

fn make_a_directory(world: &World) -> nix::Result<()> {
    errno(fs::create_dir(world.passwords().join("new")))
}

fn keep_a_password(world: &World) -> nix::Result<()> {
    let (temporary, kept) = (
        world.passwords().join(".new"),
        world.passwords().join("kept"),
    );
    errno(fs::create_dir_all(world.passwords()))?;
    errno(fs::write(&temporary, "secret"))?;
    errno(fs::hard_link(&temporary, &kept))?;
    errno(fs::remove_file(&temporary))?;
    errno(File::open(world.passwords()).and_then(|directory| directory.sync_all()))?;
    errno(fs::read(&kept))
}

/// Prints what an attempt prints that is done.
fn execute_a_program(_: &World) -> nix::Result<()> {
    let arguments = [c"echo".as_ptr(), c"done".as_ptr(), std::ptr::null()];
    let environment: [*const c_char; 1] = [std::ptr::null()];
    let program = c"/bin/echo".as_ptr() as c_long;
    run(
        libc::SYS_execve,
        [program, address(&arguments), address(&environment), 0],
    )
}

fn make_a_process(_: &World) -> nix::Result<()> {
    match call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0])? {
        // SAFETY: ends the child, which shares nothing with this process.
        0 => unsafe { libc::_exit(0) },
        child => run(libc::SYS_wait4, [child, 0, 0, 0]),
    }
}

fn executable_memory(_: &World) -> nix::Result<()> {
    let protection = (libc::PROT_READ | libc::PROT_EXEC).into();
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).into();
    run(libc::SYS_mmap, [0, 4096, protection, flags])
}

fn bpf_map(_: &World) -> nix::Result<()> {
    const CREATE: c_long = 0;
    // An array of one number: type, sizes of key and value, entries, flags.
    let map = [2_u32, 4, 4, 1, 0];
    run(libc::SYS_bpf, [CREATE, address(&map), 20, 0])
}

fn io_uring(_: &World) -> nix::Result<()> {
    let parameters = [0_u8; 120];
    run(libc::SYS_io_uring_setup, [1, address(&parameters), 0, 0])
}

fn signal_the_parent(world: &World) -> nix::Result<()> {
    run(libc::SYS_kill, [world.parent.into(), 0, 0, 0])
}

fn signal_its_thread(world: &World) -> nix::Result<()> {
    let parent = world.parent.into();
    run(libc::SYS_tgkill, [parent, parent, 0, 0])
}

fn trace(world: &World) -> nix::Result<()> {
    // Does not stop it, and is over when this thread is.
    const SEIZE: c_long = 0x4206;
    run(libc::SYS_ptrace, [SEIZE, world.parent.into(), 0, 0])
}

fn read_memory(world: &World) -> nix::Result<()> {
    // No parts: whether it may be done is looked at all the same.
    run(libc::SYS_process_vm_readv, [world.parent.into(), 0, 0, 0])
}

fn enter_a_namespace(world: &World) -> nix::Result<()> {
    run(
        libc::SYS_setns,
        [world.namespace.as_raw_fd().into(), 0, 0, 0],
    )
}

fn make_a_namespace(_: &World) -> nix::Result<()> {
    run(libc::SYS_unshare, [libc::CLONE_NEWNET.into(), 0, 0, 0])
}

fn mount(_: &World) -> nix::Result<()> {
    let [source, target, kind] = [c"none", c"/mnt", c"tmpfs"].map(|text| text.as_ptr() as c_long);
    run(libc::SYS_mount, [source, target, kind, 0])
}

fn become_nobody(_: &World) -> nix::Result<()> {
    run(libc::SYS_setuid, [65534, 0, 0, 0])
}
