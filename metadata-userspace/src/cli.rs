//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Parser, Subcommand, value_parser};

use crate::config::ConfigSource;

/// The eBPF metadata datapath for OpenStack network and compute nodes.
#[derive(Debug, Parser)]
#[command(name = "metadatad", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, PartialEq, Subcommand)]
pub enum Command {
    /// Steer and answer metadata requests in every namespace of this host, until stopped
    Run {
        #[command(flatten)]
        config: ConfigArgs,
        /// End before anything is opened: a reload asks so whether it would succeed
        #[arg(long, hide = true)]
        verify: bool,
    },
    /// Say whether `run` would work here, and what to do where it would not
    ///
    /// Reports every fault of the configuration, the options that are seen and
    /// not used, and what this host lacks. Ends with status 1 when there is an
    /// error.
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Print the table of all options instead, with defaults and values
        #[arg(long)]
        options: bool,
    },
    /// Show what the running daemon serves: namespaces, programs, requests, verdicts
    Status {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Serve Nova's metadata API from an inventory file, without Nova
    Api {
        #[command(flatten)]
        config: ConfigArgs,
        /// Where to listen [default: nova_metadata_host and nova_metadata_port]
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<SocketAddr>,
        /// TOML file of instances [default: inventory in [metadatad]]
        #[arg(long, value_name = "FILE")]
        inventory: Option<PathBuf>,
        /// As of `run`
        #[arg(long, hide = true)]
        verify: bool,
    },
    /// Remove every trace of the datapath from the kernel: filters, routes, pins
    Unload {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Take haproxy's place in the namespace that Neutron's agents start it in
    ///
    /// Link the program as `haproxy` on the agents' PATH and it is called so. Reads
    /// Neutron's generated configuration, registers the namespace with the running
    /// daemon, goes to the background, and keeps the namespace served until it is
    /// ended. Takes haproxy's options -f, -p, -c, -D, -W, -Ws, -Ds, -db, -q, -V and -v.
    ///
    /// Its own options, shim_socket and shim_fallback, it reads in the files that `run`
    /// reads by default, or in those that METADATAD_CONFIG names, with colons between
    /// them.
    Haproxy {
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "OPTION"
        )]
        options: Vec<OsString>,
    },
    /// Holds sockets from one `run` to the next, which starts it itself
    #[command(hide = true)]
    Holder {
        #[arg(long)]
        uid: u32,
        #[arg(long)]
        gid: u32,
    },
    /// The unprivileged half of `run`, which `run` starts itself
    #[command(hide = true)]
    Worker {
        #[arg(long)]
        uid: u32,
        #[arg(long)]
        gid: u32,
    },
}

/// `--config-file` and `--config-dir`, in the order of the command line: a
/// later one wins, whichever of the two it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigArgs(pub Vec<ConfigSource>);

const FILE: &str = "config-file";
const DIR: &str = "config-dir";

impl FromArgMatches for ConfigArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut sources = indexed(matches, FILE, ConfigSource::File);
        sources.extend(indexed(matches, DIR, ConfigSource::Dir));
        sources.sort_by_key(|(index, _)| *index);
        Ok(Self(
            sources.into_iter().map(|(_, source)| source).collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn indexed(
    matches: &ArgMatches,
    id: &str,
    source: fn(PathBuf) -> ConfigSource,
) -> Vec<(usize, ConfigSource)> {
    let paths = matches.get_many::<PathBuf>(id).unwrap_or_default();
    let indices = matches.indices_of(id).unwrap_or_default();
    indices.zip(paths.cloned().map(source)).collect()
}

impl Args for ConfigArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
            .arg(source(FILE, "FILE").help(
                "Read this file; repeatable, later ones win [default: neutron.conf, \
                 metadata_agent.ini and metadatad.conf in /etc/neutron, /etc/metadatad.conf, \
                 /etc/metadatad/*.conf, as far as they exist]",
            ))
            .arg(source(DIR, "DIR").help("Read this directory's *.conf files; repeatable"))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

fn source(id: &'static str, value: &'static str) -> Arg {
    Arg::new(id)
        .long(id)
        .value_name(value)
        .action(ArgAction::Append)
        .value_parser(value_parser!(PathBuf))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    fn command(line: &str) -> Command {
        Cli::try_parse_from(line.split(' ')).unwrap().command
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn files_and_directories_keep_their_order() {
        let line = "metadatad run --config-file a --config-dir=b --config-file c";
        let expected = vec![
            ConfigSource::File("a".into()),
            ConfigSource::Dir("b".into()),
            ConfigSource::File("c".into()),
        ];
        assert_eq!(
            command(line),
            Command::Run {
                config: ConfigArgs(expected),
                verify: false,
            }
        );
    }

    #[test]
    fn the_api_is_told_where_to_listen_and_what_it_knows() {
        assert_eq!(
            command("metadatad api --listen [::1]:8775 --inventory cloud.toml"),
            Command::Api {
                config: ConfigArgs::default(),
                listen: "[::1]:8775".parse().ok(),
                inventory: Some("cloud.toml".into()),
                verify: false,
            }
        );
    }

    #[test]
    fn the_unit_calls_what_there_is() {
        let unit = include_str!("../../dist/metadatad.service");
        let calls: Vec<Command> = unit
            .lines()
            .filter_map(|line| line.split_once("=/usr/local/sbin/metadatad "))
            .map(|(_, line)| line.replace("$METADATAD_ARGUMENTS", "--config-file f"))
            .map(|line| command(&format!("metadatad {line}")))
            .collect();
        let [
            Command::Run {
                config,
                verify: false,
            },
            Command::Run {
                config: verified,
                verify: true,
            },
        ] = calls.as_slice()
        else {
            panic!("{calls:?}");
        };
        assert_eq!(config, verified);
        assert_eq!(config.0, [ConfigSource::File("f".into())]);
    }

    #[test]
    fn the_worker_is_not_advertised() {
        let help = <Cli as clap::CommandFactory>::command().render_help();
        assert!(!help.to_string().contains("worker"), "{help}");
        let worker = command("metadatad worker --uid 1 --gid 2");
        assert!(matches!(worker, Command::Worker { uid: 1, gid: 2 }));
    }
}
