//! A folder with a policy and clips, and the server run in it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(crate) const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
pub(crate) const FILES: &str = "[keys]\nprimary = \"env:KEY\"\n[[files]]\nlocation = \"clips\"\n";

/// A folder with a policy and a folder of clips.
pub(crate) struct Place(pub(crate) tempfile::TempDir);

impl Place {
    pub(crate) fn new(policy: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("clips")).unwrap();
        fs::write(place.path("atrest.toml"), policy).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atrest"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("KEY", KEY);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A token and its hash.
    pub(crate) fn token(&self, role: &str) -> (String, String) {
        let made = self.run(&["serve", "--generate-token", role]);
        assert!(made.status.success());
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let said = String::from_utf8(made.stderr).unwrap();
        assert!(!said.contains(&token));
        let hash = said.split("sha256 = \"").nth(1).unwrap()[..64].to_owned();
        assert!(said.contains(&format!("ATREST_SERVE_TOKENS={role}:{hash}")));
        (token, hash)
    }

    pub(crate) fn serve(&self, arguments: &[&str]) -> Serving {
        self.serve_with(
            self.command(&[&["serve", "--json", "--listen", "127.0.0.1:0"], arguments].concat()),
        )
    }

    pub(crate) fn serve_with(&self, mut command: Command) -> Serving {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        log.read_line(&mut first).unwrap();
        let first: Value = serde_json::from_str(&first).unwrap_or_else(|_| panic!("{first}"));
        assert_eq!(first["fields"]["message"], "listening");
        let url = first["fields"]["url"].as_str().unwrap();
        let address = url.split("//").nth(1).unwrap().to_owned();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            text
        });
        Serving {
            child,
            address,
            log: Some(log),
        }
    }
}

pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) log: Option<std::thread::JoinHandle<String>>,
}

impl Serving {
    pub(crate) fn connect(&self, what: &str, token: &str, more: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let head = format!(
            "{what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// The status and the body.
    pub(crate) fn ask(&self, what: &str, token: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let length = format!("Content-Length: {}\r\n", body.len());
        let mut stream = self.connect(
            what,
            token,
            if what.starts_with("PUT") { &length } else { "" },
        );
        stream.write_all(body).unwrap();
        let (status, mut stream) = head(stream);
        let mut body = Vec::new();
        stream.read_to_end(&mut body).unwrap();
        (status, body)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// The exit status and the log.
    pub(crate) fn end(&mut self) -> (i32, String) {
        let status = self.child.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        (status.code().unwrap_or(-1), log)
    }

    /// Resident memory in bytes: the greatest so far.
    pub(crate) fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads an answer's head.
pub(crate) fn head(stream: TcpStream) -> (u16, BufReader<TcpStream>) {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).unwrap();
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        if line == "\r\n" {
            return (status, stream);
        }
    }
}
