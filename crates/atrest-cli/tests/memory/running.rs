//! The command, started to be looked into.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use atrest_core::Key;

use crate::write;

/// The command in `folder`, whose memory the user who runs the test may read.
pub(crate) fn atrest(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atrest"));
    command.args(arguments);
    readable(command, folder)
}

/// The same, which may leave a core file of any length.
pub(crate) fn atrest_with_core(folder: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    let run = "ulimit -c unlimited 2>/dev/null; exec \"$0\" \"$@\"";
    command.args(["-c", run, env!("CARGO_BIN_EXE_atrest")]);
    readable(command, folder)
}

fn readable(mut command: Command, folder: &Path) -> Command {
    command
        .current_dir(folder)
        .env_clear()
        .env("ATREST_ALLOW_CORE_DUMPS", "1")
        .stdin(Stdio::null());
    command
}

/// A key as files have it.
pub(crate) fn hex(key: &Key) -> String {
    let bytes = key.expose_secret().iter();
    bytes.map(|b| format!("{b:02x}")).collect()
}

/// Ended however the test ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `atrest serve` over the folder `clips`, under the key of the file `a.key`.
pub(crate) struct Server {
    pub(crate) child: Running,
    address: String,
}

impl Server {
    pub(crate) fn start(mut command: Command, folder: &Path) -> Self {
        std::fs::create_dir(folder.join("clips")).unwrap();
        let policy = b"[keys]\nprimary = \"file:a.key\"\n[[files]]\nlocation = \"clips\"\n";
        write(&folder.join("atrest.toml"), policy);
        command.args(["serve", "--json", "--no-auth", "--listen", "127.0.0.1:0"]);
        let started = command.stderr(Stdio::piped()).spawn();
        let mut child = Running(started.unwrap());
        let mut log = BufReader::new(child.0.stderr.take().unwrap());
        let mut first = String::new();
        log.read_line(&mut first).unwrap();
        let first: serde_json::Value = serde_json::from_str(&first).unwrap();
        let url = first["fields"]["url"].as_str().unwrap();
        let address = url.split("//").nth(1).unwrap().to_owned();
        // So that the server can go on writing.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address }
    }

    /// The answer to a request.
    pub(crate) fn ask(&self, head: &str, body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }
}
