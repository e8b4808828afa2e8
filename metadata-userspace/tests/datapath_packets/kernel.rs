//! The loaded programs, run on single frames by the kernel, in a namespace with
//! the proxy's sockets.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use aya::programs::{SchedClassifier, Xdp};
use aya::{TestRun, TestRunOptions};
use aya_obj::programs::XdpAttachType;
use metadatad::config::{DatapathConfig, GuardConfig};
use metadatad::datapath::{Datapath, VerdictCount, unload_pins};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};
use xtask::lab::namespace::Namespace;
use xtask::lab::{proxy_socket, unique, wait};

use crate::frame::{GUEST, GUEST_PORT, METADATA};
use crate::frame_v6;

pub(crate) const PASSED: i32 = -1;
pub(crate) const DROPPED: i32 = 2;

const LIMIT: Duration = Duration::from_secs(5);

/// `sizeof(struct __sk_buff)`, and where `mark` is in it.
const CONTEXT_SIZE: usize = 192;
const MARK: std::ops::Range<usize> = 8..12;

/// Programs with pins of their own, unloaded on drop. The kernel runs them as
/// if frames came over `lo`, which bears the metadata addresses.
pub(crate) struct Kernel {
    config: DatapathConfig,
    datapath: Datapath,
    namespace: Namespace,
    proxies: Vec<Proxy>,
}

/// A listening socket, and one connection that it has.
struct Proxy {
    listener: TcpListener,
    _connection: (TcpStream, TcpStream),
}

/// What became of a frame.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub action: i32,
    pub frame: Vec<u8>,
    pub mark: u32,
    /// The verdict that was counted, if the frame concerns metadata.
    pub verdict: Option<String>,
}

impl Kernel {
    pub(crate) fn load() -> Self {
        Self::load_with(|_| {})
    }

    /// Programs in a namespace where the proxy listens and has connections
    /// from the guests' [`GUEST_PORT`].
    pub(crate) fn load_with(change: impl FnOnce(&mut DatapathConfig)) -> Self {
        let mut kernel = Self::load_without_proxy(change);
        let port = kernel.config.proxy_port;
        let proxies = kernel.namespace.enter(|| {
            vec![
                Proxy::open((METADATA, port).into(), (GUEST, GUEST_PORT).into()),
                Proxy::open(frame_v6::metadata(port), frame_v6::guest(GUEST_PORT)),
            ]
        });
        kernel.proxies = proxies.unwrap();
        kernel
    }

    pub(crate) fn load_without_proxy(change: impl FnOnce(&mut DatapathConfig)) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests load eBPF programs: run them as root (`cargo xtask test`)"
        );
        xtask::lab::bpffs::ensure_mounted().unwrap();
        let mut config = DatapathConfig {
            bpffs: PathBuf::from(format!("/sys/fs/bpf/metadatad-{}", unique::tag().unwrap())),
            proxy_port: 9697,
            access_mark: 1,
            log_verdicts: false,
            guard: GuardConfig::default(),
        };
        change(&mut config);
        let datapath = Datapath::load(&config).unwrap();
        let namespace = Namespace::create(&format!("packets-{}", unique::tag().unwrap())).unwrap();
        for address in [
            format!("{METADATA}/32"),
            format!("{GUEST}/32"),
            format!("{}/128 nodad", frame_v6::METADATA),
            format!("{}/128 nodad", frame_v6::GUEST),
        ] {
            namespace
                .ip(&format!("address add {address} dev lo"))
                .unwrap();
        }
        Self {
            config,
            datapath,
            namespace,
            proxies: Vec::new(),
        }
    }

    /// Takes the namespace's number off the listening sockets, as metadatad does before
    /// it closes them.
    pub(crate) fn retire(&self) {
        for proxy in &self.proxies {
            setsockopt(&proxy.listener, sockopt::Priority, &0).unwrap();
        }
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(crate) fn program(&self, name: &str) -> SchedClassifier {
        SchedClassifier::from_pin(self.pin(name)).unwrap()
    }

    fn pin(&self, program: &str) -> PathBuf {
        self.config.bpffs.join("v2/progs").join(program)
    }

    pub(crate) fn steer(&self, frame: &[u8]) -> Outcome {
        self.run("metadata_steer", frame, 0)
    }

    pub(crate) fn restore(&self, frame: &[u8]) -> Outcome {
        self.run("metadata_restore", frame, 0)
    }

    pub(crate) fn steer_marked(&self, frame: &[u8], mark: u32) -> Outcome {
        self.run("metadata_steer", frame, mark)
    }

    /// What the XDP program does with a frame, which it never changes.
    pub(crate) fn guard(&self, frame: &[u8]) -> (u32, Option<String>) {
        let before = self.datapath.verdicts().unwrap();
        let mut frame_after = vec![0; frame.len()];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut frame_after),
            ..TestRunOptions::new()
        };
        let program = Xdp::from_pin(self.pin("metadata_guard"), XdpAttachType::Interface).unwrap();
        let result = self.namespace.enter(|| program.test_run(options).unwrap());
        let result = result.unwrap();
        assert_eq!(frame_after, frame);
        (result.return_value, self.counted_since(&before, frame))
    }

    /// Average time of one run over the same frame.
    pub(crate) fn time(&self, program: &str, frame: &[u8], repeat: u32) -> Duration {
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat,
            ..TestRunOptions::new()
        };
        let program = self.program(program);
        let result = self.namespace.enter(|| program.test_run(options).unwrap());
        result.unwrap().duration
    }

    fn run(&self, program: &str, frame: &[u8], mark: u32) -> Outcome {
        let before = self.datapath.verdicts().unwrap();
        let mut context = [0; CONTEXT_SIZE];
        context[MARK].copy_from_slice(&mark.to_ne_bytes());
        let mut context_after = context;
        let mut frame_after = vec![0; frame.len()];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut frame_after),
            ctx_in: Some(&context),
            ctx_out: Some(&mut context_after),
            ..TestRunOptions::new()
        };
        let program = self.program(program);
        let result = self.namespace.enter(|| program.test_run(options).unwrap());
        let result = result.unwrap();
        assert_eq!(result.data_size_out as usize, frame.len());
        Outcome {
            action: result.return_value as i32,
            frame: frame_after,
            mark: u32::from_ne_bytes(context_after[MARK].try_into().unwrap()),
            verdict: self.counted_since(&before, frame),
        }
    }

    /// The verdict that was counted since then, of this one frame.
    fn counted_since(&self, before: &[VerdictCount], frame: &[u8]) -> Option<String> {
        let counted: Vec<_> = before
            .iter()
            .zip(self.datapath.verdicts().unwrap())
            .filter(|(before, after)| *before != after)
            .map(|(before, after)| {
                assert_eq!(after.packets - before.packets, 1, "{}", after.verdict);
                assert_eq!(after.bytes - before.bytes, frame.len() as u64);
                after.verdict
            })
            .collect();
        match counted.as_slice() {
            [] => None,
            [verdict] => Some(verdict.clone()),
            several => panic!("one frame has one verdict, not {several:?}"),
        }
    }
}

impl Proxy {
    fn open(address: SocketAddr, guest: SocketAddr) -> Self {
        let listener = proxy_socket::open(address).unwrap();
        let client = Socket::new(Domain::for_address(guest), Type::STREAM, None).unwrap();
        client.bind(&guest.into()).unwrap();
        // The kernel makes the routes of a new IPv6 address a moment later.
        wait::until("a route to the proxy", LIMIT, || {
            Ok(client.connect(&address.into()).is_ok())
        })
        .unwrap();
        let (server, _) = listener.accept().unwrap();
        Self {
            listener,
            _connection: (client.into(), server),
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        if let Err(error) = unload_pins(&self.config) {
            eprintln!("warning: pins stay behind: {error}");
        }
    }
}
