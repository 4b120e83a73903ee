//! How much of what a real MLflow server takes a program gets into it, and what that costs the program.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use spanwright::store::Store;
use spanwright_benches::{Cell, Section, Spread, Unit};
use spanwright_tests::mlflow::{self, Server};

use crate::Options;
use crate::behind::{Behind, answer_of, receiver};
use crate::programs::number;
use crate::relay::Relay;
use crate::say;

/// Of the time: what a server that is kept at work takes is its ceiling. The rates themselves differ by a tenth from one minute to the next.
const LEAST_SHARE: f64 = 0.95;
const MOST_CPU_NS: f64 = 20_000.0;
/// Faster than any server here takes.
const TREES_A_SECOND: u64 = 2_000;
const CLIENT: &str = include_str!("client.py");

/// One way to the server, round by round.
struct Way {
    name: &'static str,
    a_second: Vec<f64>,
    /// Over what raw posts reach, those just before and after.
    share: Vec<f64>,
    /// For how much of the time the server had a request in hand.
    busy: Vec<f64>,
    cpu_ns: Vec<f64>,
}

pub(crate) fn measure(options: &Options) -> io::Result<Section> {
    let behind = Behind::build()?;
    let spans: u64 = if options.quick { 2_560 } else { 8_192 };
    let rounds = if options.quick { 1 } else { 5 };
    let mut bodies = Bodies::capture(&behind)?;
    say("starting an MLflow server");
    let server = Server::start();
    // What the server does only once is not what a span costs.
    let relay = Relay::start(server.port())?;
    bodies.post(relay.port(), 512)?;
    relay.share();
    let mut ways = [
        Way::new("raw OTLP posts of 512, one connection"),
        Way::new("spanwright"),
        Way::new("MLflow Python client"),
        Way::new("MLflow Python client, batches of 512"),
    ];
    for round in 0..rounds {
        say(&format!("into MLflow, round {} of {rounds}", round + 1));
        let before = (bodies.post(relay.port(), spans)?, relay.share());
        let ours = (stream(&behind, relay.port(), spans)?, relay.share());
        let after = (bodies.post(relay.port(), spans)?, relay.share());
        let ceiling = f64::midpoint(before.0, after.0);
        for (rate, busy) in [before, after] {
            ways[0].add((rate, None), ceiling, busy);
        }
        ways[1].add(ours.0, ceiling, ours.1);
        if round == 0 {
            ways[2].add(python_client(&server, 40, None)?, ceiling, None);
            ways[3].add(python_client(&server, 100, Some("512"))?, ceiling, None);
        }
    }
    Ok(section(&ways, spans))
}

fn section(ways: &[Way], spans: u64) -> Section {
    let mut section = Section {
        title: "Into MLflow".to_owned(),
        note: format!(
            "A server of one worker on SQLite, on this machine. {spans} spans a round, trees of 10 with two attributes, and raw posts of the same spans before and \
             after: the ceiling of the round, as the server takes now more and now less. Ours is measured from the first delivery to the last, while the program makes {} spans a second. \
             At work is the part of the time, from the first request to the last answer, in which the server had a request in hand. CPU is of the whole client process: \
             start, making, storing and sending its spans.",
            TREES_A_SECOND * 10
        ),
        columns: ["way", "spans a second", "share of the ceiling", "server at work", "client CPU a span"]
            .map(str::to_owned)
            .to_vec(),
        ..Section::default()
    };
    for way in ways {
        let cell = |of: &[f64], unit| Spread::of(of).map_or(Cell::Nothing, |spread| Cell::Spread(spread, unit));
        section.rows.push(vec![
            Cell::text(way.name),
            cell(&way.a_second, Unit::PerSecond),
            cell(&way.share, Unit::Ratio),
            cell(&way.busy, Unit::Ratio),
            cell(&way.cpu_ns, Unit::Nanoseconds),
        ]);
    }
    if let Some(cpu) = Spread::of(&ways[1].cpu_ns).filter(|cpu| cpu.median > MOST_CPU_NS) {
        section.misses.push(format!("into MLflow: {:.1} µs of client CPU a span", cpu.median / 1e3));
    }
    if let Some(busy) = Spread::of(&ways[1].busy).filter(|busy| busy.median < LEAST_SHARE) {
        section.misses.push(format!("into MLflow: the server was at work for {:.3} of the time", busy.median));
    }
    section
}

impl Way {
    fn new(name: &'static str) -> Self {
        Self { name, a_second: Vec::new(), share: Vec::new(), busy: Vec::new(), cpu_ns: Vec::new() }
    }

    fn add(&mut self, (a_second, cpu_ns): (f64, Option<f64>), ceiling: f64, busy: Option<f64>) {
        self.a_second.push(a_second);
        self.busy.extend(busy);
        self.share.push(a_second / ceiling);
        self.cpu_ns.extend(cpu_ns);
    }
}

/// A program that makes spans faster than they are taken: spans a second while they are, and its CPU time a span.
fn stream(behind: &Behind, port: u16, spans: u64) -> io::Result<(f64, Option<f64>)> {
    let run = behind.run(Some(&format!("http://127.0.0.1:{port}")))?;
    let mut command = run.command(&[], &format!("stream {} {TREES_A_SECOND}", spans / 10));
    let program = thread::spawn(move || answer_of(&mut command));
    let mut seen: Vec<(Instant, u64)> = Vec::new();
    while !program.is_finished() {
        thread::sleep(Duration::from_millis(10));
        let Ok(Some(store)) = Store::open_existing(&run.store()) else { continue };
        while !program.is_finished() {
            let delivered = store.statistics().map_or(0, |statistics| statistics.delivered_spans);
            if delivered > seen.last().map_or(0, |(_, before)| *before) {
                seen.push((Instant::now(), delivered));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    let answer = program.join().map_err(|_| io::Error::other("the program's thread panicked"))??;
    let made = number(&answer, "made")?;
    if number(&answer, "delivered")? != made {
        return Err(io::Error::other(format!("not everything was delivered: {answer}")));
    }
    let (Some((first, before)), Some((last, after))) = (seen.first(), seen.last()) else {
        return Err(io::Error::other("nothing was seen to be delivered"));
    };
    let rate = (after - before) as f64 / last.duration_since(*first).as_secs_f64();
    Ok((rate, Some(number(&answer, "cpu_ns")? / made)))
}

fn python_client(server: &Server, traces: u64, batch: Option<&str>) -> io::Result<(f64, Option<f64>)> {
    let mut command = Command::new(mlflow::python());
    command.args(["-c", CLIENT, &traces.to_string()]).env("MLFLOW_TRACKING_URI", server.uri());
    command.envs(batch.map(|spans| ("MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE", spans)));
    let answer = answer_of(&mut command)?;
    let made = number(&answer, "made")?;
    Ok((made / number(&answer, "seconds")?, Some(number(&answer, "cpu_ns")? / made)))
}

/// What spanwright sends, to be sent again under other ids.
struct Bodies {
    requests: Vec<ExportTraceServiceRequest>,
    /// Times they have been sent: part of the ids of the next ones.
    sent: u32,
}

impl Bodies {
    fn capture(behind: &Behind) -> io::Result<Self> {
        let receiver = receiver();
        behind.run(Some(&receiver.uri()))?.answer(&[], "steady ten 512")?;
        let seen = receiver.seen();
        let posts = seen.iter().filter(|seen| seen.path == "/v1/traces");
        let requests =
            posts.map(|post| ExportTraceServiceRequest::decode(post.body.as_slice()).map_err(io::Error::other));
        let mut requests: Vec<_> = requests.collect::<io::Result<_>>()?;
        requests.retain(|request| spans_of(request) == 512);
        if requests.is_empty() {
            return Err(io::Error::other("no request of 512 spans was seen"));
        }
        Ok(Self { requests, sent: 0 })
    }

    /// Posts about so many spans, one request after the other on one connection. Returns spans a second.
    fn post(&mut self, port: u16, spans: u64) -> io::Result<f64> {
        let mut bodies = Vec::new();
        for at in 0..spans.div_ceil(512) as usize {
            let places = self.requests.len();
            let request = &mut self.requests[at % places];
            self.sent += 1;
            under_new_ids(request, self.sent);
            bodies.push(request.encode_to_vec());
        }
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let began = Instant::now();
        for body in &bodies {
            post(&stream, &mut reader, port, body)?;
        }
        Ok(bodies.len() as f64 * 512.0 / began.elapsed().as_secs_f64())
    }
}

fn spans_of(request: &ExportTraceServiceRequest) -> usize {
    request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).map(|scope| scope.spans.len()).sum()
}

/// Gives all spans ids that are as random as their own, the same one wherever the same one stood.
fn under_new_ids(request: &mut ExportTraceServiceRequest, number: u32) {
    let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    for span in scopes.flat_map(|scope| &mut scope.spans) {
        for id in [&mut span.trace_id, &mut span.span_id, &mut span.parent_span_id] {
            for part in id.chunks_exact_mut(8) {
                let mut hasher = DefaultHasher::new();
                (&*part, number).hash(&mut hasher);
                part.copy_from_slice(&hasher.finish().to_be_bytes());
            }
        }
    }
}

fn post(mut stream: &TcpStream, reader: &mut BufReader<TcpStream>, port: u16, body: &[u8]) -> io::Result<()> {
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/x-protobuf\r\n\
         x-mlflow-experiment-id: 0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let (mut line, mut length, mut status) = (String::new(), 0, String::new());
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim().to_lowercase();
        if status.is_empty() {
            status.clone_from(&header);
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if header.is_empty() {
            break;
        }
    }
    let mut reply = vec![0; length];
    reader.read_exact(&mut reply)?;
    let is_taken = status.contains(" 200 ");
    is_taken.then_some(()).ok_or_else(|| io::Error::other(format!("{status}: {}", String::from_utf8_lossy(&reply))))
}
