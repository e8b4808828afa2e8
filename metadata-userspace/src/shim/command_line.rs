//! haproxy's own command line, as far as Neutron's agents and the wrappers of its
//! deployments use it.

use std::ffi::OsString;
use std::path::PathBuf;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `-v`.
    Version,
    Proxy(Proxy),
}

/// A proxy to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// `-f`.
    pub config: PathBuf,
    /// `-c`: only look at the configuration.
    pub check: bool,
    /// `-p`, before what the configuration says.
    pub pidfile: Option<PathBuf>,
    pub ground: Ground,
}

/// Whether to go to the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// As the configuration says.
    Configured,
    /// `-D`.
    Back,
    /// `-Ws`, `-db`, `-Ds`, `-d`: the first process of a container, or of a unit.
    Fore,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    #[error(
        "`{0}` is not understood; what is: -f FILE [-D] [-W] [-Ws] [-db] [-c] [-p FILE] [-q] [-V] [-v]"
    )]
    Unknown(String),
    #[error("`{0}` needs a value")]
    NoValue(&'static str),
    #[error("one `-f` with Neutron's configuration is needed, not {0}")]
    Files(usize),
}

impl Asked {
    /// Reads the arguments behind the program's name.
    pub fn parse(arguments: &[OsString]) -> Result<Self, UsageError> {
        let mut files = Vec::new();
        let (mut check, mut pidfile, mut ground) = (false, None, Ground::Configured);
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = |option| {
                let value = arguments.next();
                value.map(PathBuf::from).ok_or(UsageError::NoValue(option))
            };
            match argument.to_str() {
                Some("-v" | "-vv") => return Ok(Self::Version),
                Some("-f") => files.push(value("-f")?),
                Some("-p") => pidfile = Some(value("-p")?),
                Some("-c") => check = true,
                Some("-D") if ground == Ground::Configured => ground = Ground::Back,
                Some("-Ws" | "-Ds" | "-db" | "-d") => ground = Ground::Fore,
                // A master over workers: here the daemon is that.
                Some("-W" | "-D" | "-q" | "-V" | "--") => {}
                _ => return Err(UsageError::Unknown(argument.display().to_string())),
            }
        }
        let count = files.len();
        match (files.pop(), count) {
            (Some(config), 1) => Ok(Self::Proxy(Proxy {
                config,
                check,
                pidfile,
                ground,
            })),
            _ => Err(UsageError::Files(count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Asked, UsageError> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Asked::parse(&words)
    }

    fn proxy(ground: Ground) -> Asked {
        Asked::Proxy(Proxy {
            config: "a.conf".into(),
            check: false,
            pidfile: None,
            ground,
        })
    }

    #[test]
    fn agents_and_wrappers_are_understood() {
        for (line, ground) in [
            ("-f a.conf", Ground::Configured),
            ("-W -f a.conf", Ground::Configured),
            ("-D -f a.conf", Ground::Back),
            ("-Ws -f a.conf", Ground::Fore),
            ("-db -q -f a.conf", Ground::Fore),
            ("-D -db -f a.conf", Ground::Fore),
            ("-db -D -f a.conf", Ground::Fore),
        ] {
            assert_eq!(parse(line), Ok(proxy(ground)), "{line}");
        }
        assert_eq!(parse("-v"), Ok(Asked::Version));
        let checked = Asked::Proxy(Proxy {
            config: "a.conf".into(),
            check: true,
            pidfile: Some("pid".into()),
            ground: Ground::Configured,
        });
        assert_eq!(parse("-c -p pid -f a.conf"), Ok(checked));
    }

    #[test]
    fn everything_else_is_named() {
        assert_eq!(parse("-f"), Err(UsageError::NoValue("-f")));
        assert_eq!(parse(""), Err(UsageError::Files(0)));
        assert_eq!(parse("-f a -f b"), Err(UsageError::Files(2)));
        assert_eq!(parse("-f a -sf 12"), Err(UsageError::Unknown("-sf".into())));
    }
}
