//! Servers that misbehave on demand, and one that stands in front of a real one and changes what passes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Number of the connection it came on, from 0.
    pub connection: usize,
    /// When it was read.
    pub at: Instant,
}

impl Seen {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What a faulty server does with a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answers with this status, these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The same, after a while.
    Late(Duration, Box<Act>),
    /// Closes the connection without a word.
    Hang,
    /// Breaks the connection off, so that the other side gets a reset.
    Reset,
    /// Announces an answer of this status, gives half of it, and closes.
    Half(u16),
    /// Gives an answer byte by byte, with so long a pause before each.
    Drip(Duration, u16),
    /// Never answers.
    Swallow,
    /// Hands the request to a real server on this port, as it is given here, and its answer back.
    Forward(u16, Box<Seen>),
    /// Hands the request on, and closes the connection in place of the answer.
    ForwardThenHang(u16, Box<Seen>),
}

impl Act {
    /// An answer of plain text.
    pub fn status(status: u16) -> Self {
        Self::Answer(status, vec![("content-type", "text/plain".to_owned())], "said so".to_owned())
    }

    /// An answer of JSON.
    pub fn json(status: u16, body: &str) -> Self {
        Self::Answer(status, vec![("content-type", "application/json".to_owned())], body.to_owned())
    }
}

/// A server on loopback that does what its script says. Stopped when dropped.
#[derive(Debug)]
pub struct Faulty {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    stopped: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Faulty {
    /// Starts one. `script` gets each request and the number of requests before it.
    pub fn start(script: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::start_on(0, script)
    }

    /// Starts one on a given port.
    pub fn start_on(port: u16, script: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (script, log, stop) = (Arc::new(script), seen.clone(), stopped.clone());
        let listening = std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), script, log, stop) = (stream, script.clone(), log.clone(), stop.clone()) else {
                    continue;
                };
                // Ends with its connection, or a little after the server.
                std::thread::spawn(move || serve(&stream, number, &*script, &log, &stop));
            }
        });
        Self { port, seen, stopped, listening: Some(listening) }
    }

    /// Where it listens.
    pub fn uri(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests so far whose path begins so.
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path.starts_with(path)).collect()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the listener.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(listening) = self.listening.take() {
            drop(listening.join());
        }
    }
}

fn serve(
    stream: &TcpStream,
    number: usize,
    script: &(impl Fn(&Seen, usize) -> Act + ?Sized),
    log: &Mutex<Vec<Seen>>,
    stop: &AtomicBool,
) {
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read_request(&mut reader, number) {
        let before = {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(seen.clone());
            log.len() - 1
        };
        let act = script(&seen, before);
        if matches!(act, Act::Reset) {
            // Closed with time zero to linger, a connection is reset.
            let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
            return;
        }
        if !self::act(act, stream, stop) || seen.header("connection").is_some_and(|wish| wish == "close") {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Whether the connection stays open.
fn act(act: Act, mut stream: &TcpStream, stop: &AtomicBool) -> bool {
    match act {
        Act::Answer(status, headers, body) => {
            let mut reply = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                reply.push_str(&format!("{name}: {value}\r\n"));
            }
            stream.write_all(format!("{reply}\r\n{body}").as_bytes()).is_ok()
        }
        Act::Late(delay, then) => {
            std::thread::sleep(delay);
            self::act(*then, stream, stop)
        }
        Act::Hang | Act::Reset => false,
        Act::Half(status) => {
            let _ =
                stream.write_all(format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 1000\r\n\r\nhalf").as_bytes());
            false
        }
        Act::Drip(pause, status) => {
            let reply = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 2\r\n\r\n{{}}");
            reply.bytes().all(|byte| {
                std::thread::sleep(pause);
                stream.write_all(&[byte]).is_ok()
            })
        }
        Act::Swallow => {
            while !stop.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(20));
            }
            false
        }
        Act::Forward(port, seen) => {
            let reply = forward(port, &seen);
            let _ = stream.write_all(&closing(&reply));
            false
        }
        Act::ForwardThenHang(port, seen) => {
            forward(port, &seen);
            false
        }
    }
}

/// An answer that says, whatever the real server said of it, that its connection is closed after it.
fn closing(reply: &[u8]) -> Vec<u8> {
    let head = reply.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let says = if head > 0 { b"connection: close\r\n".as_slice() } else { b"" };
    [&reply[..head], says, &reply[head..]].concat()
}

fn read_request(reader: &mut BufReader<&TcpStream>, connection: usize) -> Option<Seen> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(Ok(0), |(_, value)| value.parse());
    let mut body = vec![0; length.ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, path, headers, body, connection, at: Instant::now() })
}

fn forward(port: u16, seen: &Seen) -> Vec<u8> {
    let Ok(mut upstream) = TcpStream::connect(("127.0.0.1", port)) else {
        return b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
    };
    let mut request = format!("{} {} HTTP/1.1\r\n", seen.method, seen.path);
    for (name, value) in &seen.headers {
        if !matches!(name.as_str(), "content-length" | "connection" | "host") {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let length = seen.body.len();
    request.push_str(&format!("host: 127.0.0.1:{port}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"));
    let mut reply = Vec::new();
    let _ = upstream.write_all(request.as_bytes());
    let _ = upstream.write_all(&seen.body);
    let _ = upstream.read_to_end(&mut reply);
    reply
}
