//! How a daemon is configured.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::Result;

use crate::lab::service_manager::ServiceManager;
use crate::lab::unique;

/// What is special about the place in which a daemon is started.
pub trait Surroundings: std::fmt::Debug + Send + Sync {
    /// Has the command start its program there.
    ///
    /// # Errors
    /// When that cannot be.
    fn prepare(&self, command: &mut Command) -> Result<()>;
}

/// What a daemon is to be told.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The executable `metadatad`.
    pub binary: PathBuf,
    /// Globs over the names of namespaces.
    pub namespaces: Vec<String>,
    /// The inventory file's text.
    pub inventory: String,
    /// Directory of the pins.
    pub bpffs: PathBuf,
    /// Where the daemon's own directory is made.
    pub parent: PathBuf,
    /// Loopback port of a metadata API of the caller's; the embedded one when
    /// there is none.
    pub nova_port: Option<u16>,
    /// Further options of `[DEFAULT]`.
    pub default_options: Vec<(String, String)>,
    /// Further options of `[metadatad]`.
    pub options: Vec<(String, String)>,
    /// Further sections, as they stand in the file.
    pub sections: String,
    /// Which starts it and keeps what it leaves.
    pub service_manager: Option<Arc<ServiceManager>>,
    /// Where its sockets for operators and shims are; in its own directory when nowhere.
    pub run: Option<PathBuf>,
    /// Where it runs, from the outermost inwards.
    pub surroundings: Vec<Arc<dyn Surroundings>>,
}

impl Setup {
    /// A daemon for these namespaces with the embedded API.
    ///
    /// # Errors
    /// When the kernel gives no random names.
    pub fn new(binary: impl Into<PathBuf>, namespaces: &[&str], inventory: String) -> Result<Self> {
        Ok(Self {
            binary: binary.into(),
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            inventory,
            bpffs: format!("/sys/fs/bpf/metadatad-test-{}", unique::tag()?).into(),
            parent: std::env::temp_dir(),
            nova_port: None,
            default_options: Vec::new(),
            options: Vec::new(),
            sections: String::new(),
            service_manager: None,
            run: None,
            surroundings: Vec::new(),
        })
    }

    /// With a metadata API of the caller's at this loopback port.
    #[must_use]
    pub fn nova_port(mut self, port: u16) -> Self {
        self.nova_port = Some(port);
        self
    }

    /// With an option of `[metadatad]`.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As a service of this manager.
    #[must_use]
    pub fn service_of(mut self, manager: &Arc<ServiceManager>) -> Self {
        self.service_manager = Some(manager.clone());
        self
    }

    /// With its sockets for operators and shims in this directory.
    #[must_use]
    pub fn sockets_in(mut self, directory: &Path) -> Self {
        self.run = Some(directory.to_owned());
        self
    }

    /// In these surroundings, within those that were given before.
    #[must_use]
    pub fn inside(mut self, surroundings: Arc<dyn Surroundings>) -> Self {
        self.surroundings.push(surroundings);
        self
    }

    /// With limits to new connections that are looked at for each and never reached.
    #[must_use]
    pub fn hardly_limited(self) -> Self {
        let most = "1000000";
        self.option("connection_rate_per_guest", most)
            .option("connection_burst_per_guest", most)
    }

    /// With further sections, as they stand in the file.
    #[must_use]
    pub fn sections(mut self, text: &str) -> Self {
        self.sections.push_str(text);
        self
    }

    /// With an option of another group.
    #[must_use]
    pub fn group_option(self, group: &str, name: &str, value: &str) -> Self {
        self.sections(&format!("[{group}]\n{name} = {value}\n"))
    }

    /// With an option of `[DEFAULT]`.
    #[must_use]
    pub fn default_option(mut self, name: &str, value: &str) -> Self {
        self.default_options
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// The configuration file of a daemon that lives in `directory`.
    pub(super) fn config(&self, directory: &Path) -> Result<String> {
        let here = directory.display();
        let (nova_port, embedded_api) = match self.nova_port {
            Some(port) => (port, false),
            None => (unique::loopback_port()?, true),
        };
        let mut text = format!(
            "[DEFAULT]\n\
             state_path = {here}/state\n\
             metadata_proxy_socket = {here}/metadata_proxy\n\
             metadata_proxy_shared_secret = {}\n\
             nova_metadata_host = 127.0.0.1\n\
             nova_metadata_port = {nova_port}\n",
            unique::uuid()?,
        );
        text.extend(lines(&self.default_options));
        text += &format!(
            "[metadatad]\n\
             resolver = inventory\n\
             inventory = {here}/inventory.toml\n\
             embedded_api = {embedded_api}\n\
             namespaces = {}\n\
             bpffs = {}\n\
             admin_socket = {run}/admin.sock\n\
             shim_socket = {run}/shim.sock\n",
            self.namespaces.join(","),
            self.bpffs.display(),
            run = self.run.as_deref().unwrap_or(directory).display(),
        );
        text.extend(lines(&self.options));
        text += &self.sections;
        Ok(text)
    }
}

fn lines(options: &[(String, String)]) -> impl Iterator<Item = String> {
    options
        .iter()
        .map(|(name, value)| format!("{name} = {value}\n"))
}
