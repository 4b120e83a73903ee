//! Spans nobody takes: the exporter stands still, or the server never answers.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use spanwright_benches::{Cell, Section, Unit};

use crate::Options;
use crate::programs::{Build, Programs, Subject, number};
use crate::say;

const HEADS: [&str; 7] =
    ["library", "made", "memory grown by", "delivered", "kept on disk", "counted as lost", "untold"];

pub(crate) fn measure(options: &Options) -> io::Result<Section> {
    let programs = Programs::build(Build::Recording)?;
    let spans = if options.quick { 100_000 } else { 400_000 };
    let silent = SilentServer::start()?;
    let mut section = Section {
        title: "Exporter that stands still".to_owned(),
        note: format!(
            "One thread makes {spans} spans with two attributes, flat out, as the library is configured by default, while nothing is taken. Then the exporter \
             moves again, everything is flushed, and counted. Ours is shown twice: with what reads the chunks standing still, and as it is used: a store on \
             disk and a server that takes requests and never answers. Memory is resident memory, mapped chunks included."
        ),
        columns: HEADS.map(str::to_owned).to_vec(),
        ..Section::default()
    };
    for (subject, exporter, name) in [
        (Subject::Spanwright, "", "spanwright, silent server"),
        (Subject::Spanwright, "exporter=counting", "spanwright, nothing read"),
        (Subject::Fastrace, "exporter=counting", "fastrace"),
        (Subject::Tracing, "exporter=counting", "tracing + tracing-opentelemetry"),
        (Subject::Otel, "exporter=counting", "opentelemetry SDK"),
    ] {
        say(&format!("exporter stands still: {name}"));
        let mut call = programs.call(subject, &format!("stall spans={spans} {exporter}"))?;
        if exporter.is_empty() {
            call.set("MLFLOW_TRACKING_URI", &silent.uri);
        }
        let answer = call.run(&[])?;
        let [made, memory, delivered, kept] =
            ["made", "memory", "fate.delivered", "fate.kept"].map(|name| number(&answer, name));
        let (made, delivered, kept) = (made?, delivered?, kept?);
        let counted = number(&answer, "fate.counted").ok();
        let untold = made - delivered - kept - counted.unwrap_or(0.0);
        if subject == Subject::Spanwright && untold != 0.0 {
            section.misses.push(format!("{name}: {untold} of {made} spans neither delivered nor kept nor counted"));
        }
        section.rows.push(vec![
            Cell::text(name),
            Cell::Number(made, Unit::Count),
            Cell::Number(memory?, Unit::Bytes),
            Cell::Number(delivered, Unit::Count),
            Cell::Number(kept, Unit::Count),
            counted.map_or(Cell::Nothing, |counted| Cell::Number(counted, Unit::Count)),
            Cell::Number(untold, Unit::Count),
        ]);
    }
    Ok(section)
}

/// Takes connections and says nothing. Its thread ends with the first connection after it is dropped.
struct SilentServer {
    uri: String,
    port: u16,
    done: &'static AtomicBool,
}

impl SilentServer {
    fn start() -> io::Result<Self> {
        static DONE: AtomicBool = AtomicBool::new(false);
        static HELD: Mutex<Vec<TcpStream>> = Mutex::new(Vec::new());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if DONE.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(mut held) = HELD.lock() {
                    held.push(connection);
                }
            }
        });
        Ok(Self { uri: format!("http://127.0.0.1:{port}"), port, done: &DONE })
    }
}

impl Drop for SilentServer {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}
