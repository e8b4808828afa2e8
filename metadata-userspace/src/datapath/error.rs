use std::error::Error;
use std::io;
use std::path::PathBuf;

use aya::maps::MapError;
use aya::programs::ProgramError;
use aya::programs::links::LinkError;

use super::foreign::ForeignProgram;
use super::pins::PinsError;
use crate::netlink::NetlinkError;

/// Why the datapath could not be loaded, attached or read.
#[derive(Debug, thiserror::Error)]
pub enum DatapathError {
    #[error("cannot load the eBPF programs: {source}{}", remedy_of_load(.source))]
    Load { source: Box<aya::EbpfError> },
    #[error("cannot use an eBPF program: {source}{}", remedy(.source))]
    Program { source: ProgramError },
    /// The embedded object is not the one that belongs to this binary.
    #[error("the embedded eBPF object lacks {0}: build it again with `cargo xtask build`")]
    Incomplete(&'static str),
    #[error("cannot read the eBPF maps: {source}{}", remedy(.source))]
    Map { source: MapError },
    #[error("cannot read the eBPF programs' log: {0}")]
    Log(String),
    #[error(transparent)]
    Pins(#[from] PinsError),
    #[error("cannot attach to interface {ifindex}: {source}")]
    Attach { ifindex: u32, source: NetlinkError },
    #[error(
        "cannot attach to interface {ifindex}: another qdisc holds its clsact hook, and TCX, \
         which would work beside it, failed: {source}; remove that qdisc (`tc qdisc del dev ... \
         ingress`), or use Linux 6.6 or newer"
    )]
    Tcx {
        ifindex: u32,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("cannot see to interface {ifindex} by TCX from outside its namespace (inode {inode})")]
    OutsideNamespace { ifindex: u32, inode: u64 },
    #[error("{0} is there; it is kept, and the surplus is dropped by TC")]
    XdpTaken(ForeignProgram),
    #[error(
        "the driver of interface {ifindex} cannot run the guard: {source}; the surplus is dropped \
         by TC"
    )]
    Guard { ifindex: u32, source: NetlinkError },
    #[error("cannot read the TCX link {path}: {source}")]
    Link { path: PathBuf, source: LinkError },
    #[error("cannot detach from interface {ifindex}: {source}")]
    Detach { ifindex: u32, source: NetlinkError },
    #[error("cannot list the filters of interface {ifindex}: {source}")]
    Inspect { ifindex: u32, source: NetlinkError },
    #[error("cannot clean up the namespace: {0}")]
    Namespace(NetlinkError),
}

/// aya tries with small programs what the kernel can do. When that takes none of them, as for
/// want of memory, aya finds our code too new for it.
fn remedy_of_load(error: &aya::EbpfError) -> &'static str {
    match error {
        aya::EbpfError::RelocationError(_) => {
            "; the kernel took not even trial programs: free memory, or raise the unit's MemoryMax"
        }
        error => remedy(error),
    }
}

/// What to do about an error that stems from missing privileges or from a
/// kernel without the feature.
fn remedy(error: &(dyn Error + 'static)) -> &'static str {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error)
        {
            Some(nix::libc::EPERM) => {
                return "; this takes CAP_BPF and CAP_NET_ADMIN (CAP_SYS_ADMIN before Linux 5.8)";
            }
            Some(nix::libc::ENOMEM | nix::libc::ENOSPC) => {
                return "; the kernel had no room for it: free memory, or raise the unit's MemoryMax";
            }
            Some(nix::libc::ENOSYS) => return "; this kernel was built without CONFIG_BPF_SYSCALL",
            _ => cause = error.source(),
        }
    }
    ""
}

impl From<ProgramError> for DatapathError {
    fn from(source: ProgramError) -> Self {
        Self::Program { source }
    }
}

impl From<MapError> for DatapathError {
    fn from(source: MapError) -> Self {
        Self::Map { source }
    }
}
