//! What `cargo xtask` does, and the laboratory of namespaces that its
//! demonstration shares with the test suites.

pub mod bench;
pub mod bpf_toolchain;
pub mod build;
pub mod build_and_load;
pub mod cli;
pub mod fuzz;
pub mod kernels;
pub mod lab;
pub mod lint;
pub mod openstack;
pub mod packages;
pub mod privilege;
pub mod process;
pub mod progress;
pub mod releases;
pub mod repository;
pub mod soak;
mod stop;
pub mod test;
