//! The loaded programs, run on single frames by the kernel.

use std::path::PathBuf;
use std::time::Duration;

use aya::programs::SchedClassifier;
use aya::{TestRun, TestRunOptions};
use metadatad::config::DatapathConfig;
use metadatad::datapath::{Datapath, unload_pins};
use xtask::lab::unique;

pub(crate) const PASSED: i32 = -1;
pub(crate) const DROPPED: i32 = 2;

/// `sizeof(struct __sk_buff)`, and where `mark` is in it.
const CONTEXT_SIZE: usize = 192;
const MARK: std::ops::Range<usize> = 8..12;

/// Programs with pins of their own, unloaded on drop.
pub(crate) struct Kernel {
    config: DatapathConfig,
    datapath: Datapath,
}

/// What became of a frame.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub action: i32,
    pub frame: Vec<u8>,
    pub mark: u32,
    /// The verdict that was counted.
    pub verdict: String,
}

impl Kernel {
    pub(crate) fn load() -> Self {
        Self::load_with(|_| {})
    }

    pub(crate) fn load_with(change: impl FnOnce(&mut DatapathConfig)) -> Self {
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
        };
        change(&mut config);
        let datapath = Datapath::load(&config).unwrap();
        Self { config, datapath }
    }

    pub(crate) fn program(&self, name: &str) -> SchedClassifier {
        let pin = self.config.bpffs.join("v1/progs").join(name);
        SchedClassifier::from_pin(pin).unwrap()
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

    /// Average time of one run over the same frame.
    pub(crate) fn time(&self, program: &str, frame: &[u8], repeat: u32) -> Duration {
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat,
            ..TestRunOptions::new()
        };
        self.program(program).test_run(options).unwrap().duration
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
        let result = self.program(program).test_run(options).unwrap();
        assert_eq!(result.data_size_out as usize, frame.len());
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
        let [verdict] = counted.try_into().expect("one frame has one verdict");
        Outcome {
            action: result.return_value as i32,
            frame: frame_after,
            mark: u32::from_ne_bytes(context_after[MARK].try_into().unwrap()),
            verdict,
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
