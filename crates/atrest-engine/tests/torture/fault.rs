//! What goes wrong in a round.

use atrest_testing::random::Random;

/// A fault, at a moment of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process ends with `kill -9`.
    Kill,
    /// Its connections are cut, in the middle of what they send.
    Cut,
    /// No file of it may grow any further (for SQLite, the database too).
    DiskFull,
    /// The server ends with `kill -9` and is started again.
    ServerKill,
}

impl Fault {
    pub const ALL: [Self; 4] = [Self::Kill, Self::Cut, Self::DiskFull, Self::ServerKill];

    pub fn choose(random: &mut Random, server: bool) -> Self {
        match random.below(20) {
            0 if server => Self::ServerKill,
            1..=3 if server => Self::Cut,
            4 => Self::DiskFull,
            _ => Self::Kill,
        }
    }
}
