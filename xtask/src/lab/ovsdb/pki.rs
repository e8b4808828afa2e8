//! Certificates as operators of OVN make them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::process;

/// PEM files.
#[derive(Clone, Debug)]
pub struct Pems {
    pub key: PathBuf,
    pub certificate: PathBuf,
    pub ca: PathBuf,
}

/// An authority of Open vSwitch's own kind, whose certificates name no host.
#[derive(Debug)]
pub struct Pki(TempDir);

impl Pki {
    /// # Errors
    /// When ovs-pki fails.
    pub fn create() -> Result<Self> {
        let pki = Self(tempfile::Builder::new().prefix("ovs-pki-").tempdir()?);
        process::read(pki.command().arg("init"))?;
        Ok(pki)
    }

    /// A key and a certificate for it.
    ///
    /// # Errors
    /// When ovs-pki fails.
    pub fn issue(&self, name: &str) -> Result<Pems> {
        process::read(self.command().args(["req+sign", name, "switch"]))?;
        let path = |file: &str| self.0.path().join(file);
        Ok(Pems {
            key: path(&format!("{name}-privkey.pem")),
            certificate: path(&format!("{name}-cert.pem")),
            ca: path("pki/switchca/cacert.pem"),
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("ovs-pki");
        command.current_dir(self.0.path());
        let option = |name: &str| format!("--{name}={}", self.0.path().join(name).display());
        command.args(["--batch".to_owned(), option("log")]);
        command.arg(format!("--dir={}", self.0.path().join("pki").display()));
        command
    }
}
