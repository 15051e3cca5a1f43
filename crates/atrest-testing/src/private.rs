//! A server of a test's own, to kill and to restart.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::spawn::spawn;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Postgres,
    MariaDb,
}

/// A PostgreSQL or MariaDB server in a temporary folder on a free loopback port,
/// as durable as in production. Gone when dropped, and when the test program ends
/// in whatever way.
///
/// Its methods block for up to some seconds: from async code call them through
/// `tokio::task::spawn_blocking` or on a runtime with several threads.
#[derive(Debug)]
pub struct PrivateServer {
    program: Program,
    executable: PathBuf,
    folder: tempfile::TempDir,
    user: Option<(u32, u32)>,
    port: u16,
    child: Option<Child>,
}

impl PrivateServer {
    /// The same PostgreSQL that `ATREST_TEST_POSTGRES_BIN` holds, else the newest
    /// under /usr/lib/postgresql.
    pub fn postgres() -> Self {
        let bin = std::env::var("ATREST_TEST_POSTGRES_BIN").map(PathBuf::from);
        Self::postgres_from(&bin.unwrap_or_else(|_| newest_postgres_bin()))
    }

    /// The PostgreSQL 18 in `ATREST_TEST_POSTGRES18_BIN`.
    pub fn postgres18() -> Self {
        Self::postgres_from(&PathBuf::from(crate::server::variable(
            "ATREST_TEST_POSTGRES18_BIN",
        )))
    }

    /// The PostgreSQL whose programs are in `bin`.
    pub fn postgres_from(bin: &Path) -> Self {
        let user = unprivileged_user();
        let folder = folder_of(user);
        let mut initdb = spawn(&bin.join("initdb"), user, |command| {
            command.arg("--pgdata").arg(folder.path().join("data"));
            command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8"]);
            command.args(["--locale=C.UTF-8", "--no-sync"]);
            log_to(command, folder.path(), "create.log");
        })
        .expect("setpriv and initdb can be run");
        let status = initdb.wait().expect("initdb ends");
        assert!(
            status.success(),
            "initdb failed:\n{}",
            log(folder.path(), "create.log")
        );
        Self::first_start(Program::Postgres, bin.join("postgres"), folder, user)
    }

    /// MariaDB: `ATREST_TEST_MARIADB_BIN`, else `mariadbd`.
    pub fn mariadb() -> Self {
        let executable = std::env::var("ATREST_TEST_MARIADB_BIN").map(PathBuf::from);
        let executable = executable.unwrap_or_else(|_| {
            let usual = [
                "/usr/sbin/mariadbd",
                "/usr/local/sbin/mariadbd",
                "/usr/libexec/mariadbd",
            ];
            usual
                .iter()
                .map(PathBuf::from)
                .find(|p| p.exists())
                .unwrap_or_else(|| "mariadbd".into())
        });
        let folder = folder_of(None);
        let mut create = Command::new("mariadb-install-db");
        create.args([
            "--no-defaults",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ]);
        create.args(as_root()).arg(format!(
            "--datadir={}",
            folder.path().join("data").display()
        ));
        log_to(&mut create, folder.path(), "create.log");
        let status = create.status().unwrap_or_else(|e| {
            panic!("cannot run mariadb-install-db: {e}; run the tests with scripts/test")
        });
        let said = log(folder.path(), "create.log");
        assert!(status.success(), "mariadb-install-db failed:\n{said}");
        Self::first_start(Program::MariaDb, executable, folder, None)
    }

    fn first_start(
        program: Program,
        executable: PathBuf,
        folder: tempfile::TempDir,
        user: Option<(u32, u32)>,
    ) -> Self {
        let mut server = Self {
            program,
            executable,
            folder,
            user,
            port: 0,
            child: None,
        };
        // Somebody else may take the port between the asking and the using.
        for _ in 0..5 {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
            server.port = listener.local_addr().expect("its address").port();
            drop(listener);
            if server.try_start(Duration::from_secs(60)).is_ok() {
                return server;
            }
        }
        panic!("{:?} did not start:\n{}", server.executable, server.log())
    }

    /// URL with full rights; stays the same over restarts.
    pub fn url(&self) -> String {
        match self.program {
            Program::Postgres => format!("postgres://postgres@127.0.0.1:{}/postgres", self.port),
            Program::MariaDb => format!("mysql://root@127.0.0.1:{}/mysql", self.port),
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id; `None` while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What the server wrote to its log since it was started last.
    pub fn log(&self) -> String {
        log(self.folder.path(), "server.log")
    }

    /// Kills it at once, with every process that serves a connection.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let workers = children(child.id());
            // The parent first: PostgreSQL's would else begin to recover.
            child
                .kill()
                .expect("a process that was started here can be killed");
            for worker in &workers {
                let _gone_already = kill_process(*worker, Signal::KILL);
            }
            child.wait().expect("a killed process ends");
        }
    }

    /// Ends it in an orderly way: connections are cut, open transactions rolled back.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // PostgreSQL's fast shutdown; SIGTERM would wait for its clients.
        let signal = match self.program {
            Program::Postgres => Signal::INT,
            Program::MariaDb => Signal::TERM,
        };
        kill_process(Pid::from_child(&child), signal).expect("a child can be signalled");
        let deadline = Instant::now() + Duration::from_secs(60);
        while child
            .try_wait()
            .expect("a child can be waited for")
            .is_none()
        {
            if Instant::now() > deadline {
                child
                    .kill()
                    .expect("a process that was started here can be killed");
                child.wait().expect("a killed process ends");
                panic!("the server did not stop within 60 s:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again on the same data and port, and waits until it answers.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        // After a kill PostgreSQL's other processes may need a moment to go.
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(complaint) = self.try_start(Duration::from_secs(60)) {
            assert!(
                Instant::now() < deadline,
                "the server did not start again:\n{complaint}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// [`Self::stop`] and [`Self::start`].
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    fn try_start(&mut self, patience: Duration) -> Result<(), String> {
        let data = self.folder.path().join("data");
        let (program, port, folder) = (self.program, self.port, self.folder.path());
        let mut child = spawn(&self.executable, self.user, |command| {
            match program {
                Program::Postgres => {
                    command
                        .arg("-D")
                        .arg(data)
                        .args(["-c", "listen_addresses=127.0.0.1"]);
                    command.args([
                        "-c",
                        &format!("port={port}"),
                        "-c",
                        "unix_socket_directories=",
                    ]);
                }
                Program::MariaDb => {
                    let file = |name: &str| folder.join(name).display().to_string();
                    command.arg("--no-defaults").args(as_root());
                    command.arg(format!("--datadir={}", file("data")));
                    // A starting server removes what others left in a shared one.
                    command.arg(format!("--tmpdir={}", file("")));
                    command
                        .arg(format!("--port={port}"))
                        .arg("--bind-address=127.0.0.1");
                    command.arg(format!("--socket={}", file("socket")));
                    command.arg(format!("--pid-file={}", file("pid")));
                    command.args(["--max-allowed-packet=1G", "--character-set-server=utf8mb4"]);
                }
            }
            log_to(command, folder, "server.log");
        })
        .map_err(|e| format!("cannot run setpriv or {:?}: {e}", self.executable))?;
        let deadline = Instant::now() + patience;
        while !answers(program, port) {
            let ended = child.try_wait().map_err(|e| e.to_string())?.is_some();
            if ended || Instant::now() > deadline {
                let _gone_already = child.kill();
                let _reaped = child.wait();
                return Err(self.log());
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        self.child = Some(child);
        Ok(())
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Whether the server takes a session. An open port is not enough: PostgreSQL
/// accepts while it still recovers.
fn answers(program: Program, port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let _default_is_fine = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut first = [0];
    if program == Program::Postgres {
        // Start-up message, protocol 3.0: an 'R' answer means that it is ready.
        let body = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
        let mut message = (body.len() as u32 + 4).to_be_bytes().to_vec();
        message.extend_from_slice(body);
        return stream.write_all(&message).is_ok()
            && stream.read_exact(&mut first).is_ok()
            && first == *b"R";
    }
    stream.read_exact(&mut first).is_ok()
}

/// The processes that this one has started.
fn children(pid: u32) -> Vec<Pid> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|p| Pid::from_raw(p.parse().ok()?))
        .collect()
}

/// PostgreSQL refuses root: then user `postgres`, or `nobody`.
fn unprivileged_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
    let find = |wanted: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next() == Some(wanted);
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            found.then_some((uid, gid))
        })
    };
    Some(
        find("postgres")
            .or_else(|| find("nobody"))
            .expect("a user postgres or nobody"),
    )
}

/// A temporary folder that the server's user owns.
fn folder_of(user: Option<(u32, u32)>) -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .prefix("atrest-server.")
        .tempdir()
        .expect("a folder");
    if let Some((uid, gid)) = user {
        chown(folder.path(), Some(uid), Some(gid)).expect("root can give a folder away");
    }
    let owner_only = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(folder.path(), owner_only).expect("an owner can set the mode");
    folder
}

/// MariaDB runs as root only when told.
fn as_root() -> Option<&'static str> {
    rustix::process::geteuid()
        .is_root()
        .then_some("--user=root")
}

fn newest_postgres_bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    versions
        .filter_map(|v| Some((v.file_name().to_str()?.parse::<u32>().ok()?, v.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max()
        .map(|(_, bin)| bin)
        .expect("PostgreSQL's server programs: run the tests with scripts/test, or set ATREST_TEST_POSTGRES_BIN")
}

fn log_to(command: &mut Command, folder: &Path, name: &str) {
    let file = std::fs::File::create(folder.join(name)).expect("a log in the temporary folder");
    let copy = file.try_clone().expect("a second handle");
    command.stdin(Stdio::null()).stdout(file).stderr(copy);
    command.current_dir(folder);
}

fn log(folder: &Path, name: &str) -> String {
    std::fs::read(folder.join(name))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
