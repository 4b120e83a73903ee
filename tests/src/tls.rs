//! A server behind TLS, with certificates nobody else trusts.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::python::environment;

/// Answers every GET with a version of MLflow. Stopped when dropped.
#[derive(Debug)]
pub struct TlsServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl TlsServer {
    /// Starts one; it may demand a certificate of its clients.
    ///
    /// # Panics
    ///
    /// If Python or its `cryptography` package is missing.
    pub fn start(demands_client_certificate: bool) -> Self {
        Self::of_kind(if demands_client_certificate { "client" } else { "anybody" })
    }

    /// Starts one whose certificate is for another name.
    pub fn start_elsewhere() -> Self {
        Self::of_kind("elsewhere")
    }

    /// Starts one whose certificate held until yesterday.
    pub fn start_expired() -> Self {
        Self::of_kind("expired")
    }

    fn of_kind(kind: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(environment().join("bin/python"));
        command.args(["-c", include_str!("tls.py")]).arg(folder.path());
        command.arg(kind);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("python can be started");
        let mut port = String::new();
        let read = BufReader::new(child.stdout.take().expect("piped")).read_line(&mut port);
        read.expect("it says its port");
        Self { child, port: port.trim().parse().expect("a port"), folder }
    }

    /// Where it listens.
    pub fn uri(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The certificate that signed the others.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A certificate and key the server accepts of a client.
    pub fn client(&self) -> PathBuf {
        self.folder.path().join("client.pem")
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
