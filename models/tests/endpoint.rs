//! An endpoint on loopback that answers as a test says, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// What is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status and a whole body, with these lines of the head.
    Whole(u16, Vec<(&'static str, String)>, String),
    /// Pieces of a body, each sent by itself after so long.
    Pieces(Duration, Vec<Vec<u8>>),
    /// The same, and then the connection is cut instead of ended.
    Cut(Vec<Vec<u8>>),
    /// Nothing at all.
    Silence,
}

impl Answer {
    pub fn json(status: u16, body: Value) -> Self {
        Self::Whole(status, Vec::new(), body.to_string())
    }

    /// A completion of text, with 10 tokens read and 5 written.
    pub fn text(text: &str) -> Self {
        Self::json(200, completion(json!({ "role": "assistant", "content": text })))
    }

    /// A completion that calls tools: name and arguments.
    pub fn calls(calls: &[(&str, &str)]) -> Self {
        let calls: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(at, (name, arguments))| {
                json!({ "id": format!("call-{at}"), "type": "function", "function": { "name": name, "arguments": arguments } })
            })
            .collect();
        Self::json(200, completion(json!({ "role": "assistant", "content": null, "tool_calls": calls })))
    }
}

fn completion(message: Value) -> Value {
    json!({
        "id": "c", "object": "chat.completion", "model": "small-2026",
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 },
    })
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub head: String,
    pub body: Value,
}

pub struct Endpoint {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stopped: Arc<AtomicBool>,
}

impl Endpoint {
    /// Answers as `answer` says, which is given the number of the request from 0 and its body.
    pub fn start(answer: impl Fn(usize, &Value) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        let address = listener.local_addr().expect("it is bound");
        let (asked, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (all, stop, answer) = (asked.clone(), stopped.clone(), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                let (all, answer) = (all.clone(), answer.clone());
                thread::spawn(move || serve(connection, &all, &*answer));
            }
        });
        Self { address, asked, stopped }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(connection: TcpStream, asked: &Mutex<Vec<Asked>>, answer: &dyn Fn(usize, &Value) -> Answer) {
    let mut reader = BufReader::new(connection.try_clone().expect("a socket can be shared"));
    let mut connection = connection;
    let _ = connection.set_nodelay(true);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line.trim().is_empty() => break,
                Ok(_) => {}
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let number = {
            let mut asked = asked.lock().expect("no panic");
            asked.push(Asked { head, body: body.clone() });
            asked.len() - 1
        };
        if send(&mut connection, answer(number, &body)).is_none() {
            return;
        }
    }
}

/// `None` if the connection is at its end.
fn send(to: &mut TcpStream, answer: Answer) -> Option<()> {
    let chunk = |to: &mut TcpStream, bytes: &[u8]| {
        let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
        framed.extend_from_slice(bytes);
        framed.extend_from_slice(b"\r\n");
        to.write_all(&framed).ok()
    };
    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    match answer {
        Answer::Whole(status, lines, body) => {
            let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{lines}\r\n", body.len());
            to.write_all((head + &body).as_bytes()).ok()
        }
        Answer::Pieces(pause, pieces) => {
            to.write_all(STREAM).ok()?;
            for piece in pieces {
                thread::sleep(pause);
                chunk(to, &piece)?;
            }
            to.write_all(b"0\r\n\r\n").ok()
        }
        Answer::Cut(pieces) => {
            to.write_all(STREAM).ok()?;
            for piece in pieces {
                chunk(to, &piece)?;
            }
            None
        }
        Answer::Silence => {
            // Until the client has had enough.
            let _ = to.read(&mut [0]);
            None
        }
    }
}
