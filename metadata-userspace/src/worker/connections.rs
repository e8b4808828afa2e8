//! Having the supervisor connect to sockets that this process may not open.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot};

use crate::resolver::ovn::ovsdb::UnixSockets;

type Answer = io::Result<OwnedFd>;

/// Where connections are asked for and handed out.
#[derive(Clone, Default)]
pub struct ConnectionDesk(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Not yet passed on.
    asked: Mutex<VecDeque<PathBuf>>,
    waiting: Mutex<Vec<(PathBuf, oneshot::Sender<Answer>)>>,
    news: Notify,
}

impl ConnectionDesk {
    /// The path of the next socket that is asked for.
    pub async fn asked(&self) -> PathBuf {
        loop {
            let next = lock(&self.0.asked).pop_front();
            match next {
                Some(path) => return path,
                None => self.0.news.notified().await,
            }
        }
    }

    /// Hands a connection, or why there is none, to the first who waits for it.
    pub fn answer(&self, path: &Path, answer: Answer) {
        let mut waiting = lock(&self.0.waiting);
        let first = waiting.iter().position(|(wanted, _)| wanted == path);
        if let Some(first) = first {
            // Who stopped waiting does not want it.
            let _ = waiting.swap_remove(first).1.send(answer);
        }
    }

    async fn connect(&self, path: &Path) -> io::Result<UnixStream> {
        let (sender, answer) = oneshot::channel();
        lock(&self.0.waiting).push((path.to_owned(), sender));
        lock(&self.0.asked).push_back(path.to_owned());
        self.0.news.notify_one();
        let socket = answer.await.map_err(io::Error::other)??;
        let socket = StdUnixStream::from(socket);
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl UnixSockets for ConnectionDesk {
    fn connect<'a>(
        &'a self,
        path: &'a Path,
    ) -> Pin<Box<dyn Future<Output = io::Result<UnixStream>> + Send + 'a>> {
        Box::pin(self.connect(path))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_gets_the_connection_it_asked_for() {
        let desk = ConnectionDesk::default();
        let supervisor = async {
            for _ in 0..2 {
                let path = desk.asked().await;
                let answer = match path.to_str() {
                    Some("/good") => Ok(StdUnixStream::pair().unwrap().0.into()),
                    _ => Err(io::Error::other("no such socket")),
                };
                desk.answer(&path, answer);
            }
        };
        let (good, bad) = (Path::new("/good"), Path::new("/bad"));
        let (bad, good, ()) = tokio::join!(desk.connect(bad), desk.connect(good), supervisor);
        assert!(good.is_ok());
        assert_eq!(bad.unwrap_err().to_string(), "no such socket");
    }
}
