//! Stands between a client and a server, and notes for how much of the time the server had something to do.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes on their way, both ways, of all connections.
pub(crate) struct Relay {
    port: u16,
    work: Arc<Mutex<Work>>,
}

/// From the first byte of a request to the last of its answer, added up.
#[derive(Debug, Default)]
struct Work {
    /// First byte of all, and of the request at hand.
    first: Option<Instant>,
    began: Option<Instant>,
    /// Last byte of an answer.
    answered: Option<Instant>,
    busy: Duration,
}

impl Relay {
    /// Starts one in front of the server at `port` of this machine. It lives as long as the process.
    pub(crate) fn start(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let relay = Self { port: listener.local_addr()?.port(), work: Arc::default() };
        let work = Arc::clone(&relay.work);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                if let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) {
                    let (asked, answered) = (Arc::clone(&work), Arc::clone(&work));
                    thread::spawn(move || copy(from_client, server, |now| lock(&asked).asked(now)));
                    thread::spawn(move || copy(from_server, client, |now| lock(&answered).answered = Some(now)));
                }
            }
        });
        Ok(relay)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The share of the time since this was last asked, from the first request to the last answer, in which the server had a request in hand.
    pub(crate) fn share(&self) -> Option<f64> {
        std::mem::take(&mut *lock(&self.work)).share()
    }
}

impl Work {
    fn asked(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        if self.answered > self.began {
            self.close();
        }
        self.began.get_or_insert(now);
    }

    /// The request at hand has been answered.
    fn close(&mut self) {
        if let (Some(began), Some(answered)) = (self.began.take(), self.answered) {
            self.busy += answered.duration_since(began);
        }
    }

    fn share(mut self) -> Option<f64> {
        let whole = self.answered?.duration_since(self.first?);
        self.close();
        Some(self.busy.as_secs_f64() / whole.as_secs_f64())
    }
}

fn lock(work: &Mutex<Work>) -> std::sync::MutexGuard<'_, Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until either side is closed; then the other is too.
fn copy(mut from: TcpStream, mut to: TcpStream, note: impl Fn(Instant)) {
    // What is waited for goes at once.
    let _ = to.set_nodelay(true);
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 {
            break;
        }
        note(Instant::now());
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
