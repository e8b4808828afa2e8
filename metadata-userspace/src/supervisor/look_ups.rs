//! Looking names up for the worker, which can read no file and load no library.

use std::future::pending;
use std::net::IpAddr;

use tokio::net::lookup_host;
use tokio::task::JoinSet;

use super::orders::LookedUp;
use crate::config::{Config, Servers};

/// Each keeps a thread for as long as a name server is silent.
const MOST_AT_ONCE: usize = 16;

/// A message has room for more; nobody tries more.
const MOST_ADDRESSES: usize = 32;

/// Look-ups of one worker's.
pub struct LookUps {
    servers: Servers,
    running: JoinSet<LookedUp>,
}

impl LookUps {
    /// Names are looked up that `config` has, or leaves to Keystone's catalog.
    pub fn new(config: &Config) -> Self {
        Self {
            servers: Servers::of(config),
            running: JoinSet::new(),
        }
    }

    /// Begins to look `host` up, or says at once why not: whoever asks too much must not
    /// have the answers pile up here.
    pub fn begin(&mut self, host: String) -> Option<LookedUp> {
        let refused = if !self.servers.may_be(&host) {
            Some("the configuration does not name this host")
        } else if self.running.len() >= MOST_AT_ONCE {
            Some("too many names are being looked up")
        } else {
            None
        };
        if let Some(problem) = refused {
            let found = Err(problem.to_owned());
            return Some(LookedUp { host, found });
        }
        self.running.spawn(async move {
            let found = look_up(&host).await;
            LookedUp { host, found }
        });
        None
    }

    /// The next that is done; never when there is none.
    pub async fn next(&mut self) -> LookedUp {
        loop {
            match self.running.join_next().await {
                Some(Ok(done)) => return done,
                // It panicked: whoever waits for it gives up after a while.
                Some(Err(error)) => tracing::error!(%error, "a name could not be looked up"),
                None => pending().await,
            }
        }
    }
}

async fn look_up(host: &str) -> Result<Vec<IpAddr>, String> {
    match lookup_host((host, 0)).await {
        Ok(found) => Ok(found.map(|found| found.ip()).take(MOST_ADDRESSES).collect()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::config::{ConfigSource, ConfigSources};

    fn look_ups() -> LookUps {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "[DEFAULT]\nnova_metadata_host = localhost\ntransport_url = rabbit://a:b@10.0.0.1/\n",
        )
        .unwrap();
        let sources = ConfigSources {
            from: vec![ConfigSource::File(file.path().to_owned())],
            inventory: None,
        };
        LookUps::new(&Config::load(&sources).unwrap())
    }

    #[tokio::test]
    async fn names_of_the_configuration_are_looked_up() {
        let mut look_ups = look_ups();
        assert!(look_ups.begin("localhost".to_owned()).is_none());
        let done = look_ups.next().await;
        assert_eq!(done.host, "localhost");
        assert!(done.found.unwrap().iter().all(IpAddr::is_loopback));
    }

    #[tokio::test]
    async fn other_names_are_not() {
        let mut look_ups = look_ups();
        let refused = look_ups.begin("ip6-localhost".to_owned()).unwrap();
        let problem = refused.found.unwrap_err();
        assert_eq!(problem, "the configuration does not name this host");
    }

    #[tokio::test]
    async fn there_are_never_too_many_at_once() {
        let mut look_ups = look_ups();
        for _ in 0..MOST_AT_ONCE {
            assert!(look_ups.begin("localhost".to_owned()).is_none());
        }
        assert!(look_ups.begin("localhost".to_owned()).is_some());
        assert!(look_ups.next().await.found.is_ok());
        assert!(look_ups.begin("localhost".to_owned()).is_none());
    }
}
