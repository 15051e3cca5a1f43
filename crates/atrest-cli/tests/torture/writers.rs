//! Programs that write whole files by renaming, and remember what they did.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use atrest_testing::random::Random;

const WRITERS: u64 = 2;
const NAMES: u64 = 16;
const PAUSE: Duration = Duration::from_micros(200);
const LENGTHS: [u64; 10] = [
    0, 1, 55, 16_383, 16_384, 16_385, 40_000, 49_152, 150_000, 400_000,
];

/// What one writer's files must hold, and which it wrote since that was last asked.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) files: BTreeMap<String, Arc<Vec<u8>>>,
    pub(crate) written: Vec<String>,
    pub(crate) statements: u64,
}

pub(crate) struct Writers {
    memories: Vec<Arc<Mutex<Memory>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Begins to write below `root`; new files are made in `staging`, beside it.
    pub(crate) fn start(root: &Path, staging: &Path, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = Self {
            memories: Vec::new(),
            stop,
            threads: Vec::new(),
        };
        for number in 0..WRITERS {
            let memory = Arc::new(Mutex::new(Memory::default()));
            let mut writer = Writer {
                number,
                root: root.to_owned(),
                new: staging.join(number.to_string()),
                random: Random::new(seed ^ number),
                memory: memory.clone(),
            };
            fs::create_dir_all(root.join(format!("w{number}"))).unwrap();
            let stop = writers.stop.clone();
            writers.memories.push(memory);
            writers.threads.push(spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    writer.once();
                    sleep(PAUSE);
                }
            }));
        }
        writers
    }

    /// What they know. They wait as long as it is held.
    pub(crate) fn wait(&self) -> Vec<MutexGuard<'_, Memory>> {
        self.memories
            .iter()
            .map(|memory| memory.lock().unwrap())
            .collect()
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that failed has said so, and its memory is poisoned.
            let _ = thread.join();
        }
    }
}

struct Writer {
    number: u64,
    root: PathBuf,
    new: PathBuf,
    random: Random,
    memory: Arc<Mutex<Memory>>,
}

impl Writer {
    /// Adds, rewrites or removes one of its files.
    fn once(&mut self) {
        let name = format!("w{}/{}", self.number, self.random.below(NAMES));
        let path = self.root.join(&name);
        let content = content(&mut self.random);
        let mut memory = self.memory.lock().unwrap();
        memory.statements += 1;
        if memory.files.contains_key(&name) && self.random.below(4) == 0 {
            fs::remove_file(path).expect("a file that was there is gone");
            memory.files.remove(&name);
            return;
        }
        fs::write(&self.new, &content).unwrap();
        fs::rename(&self.new, path).unwrap();
        memory.files.insert(name.clone(), Arc::new(content));
        memory.written.push(name);
    }
}

/// Some bytes, of some length.
pub(crate) fn content(random: &mut Random) -> Vec<u8> {
    let length = LENGTHS[random.below(LENGTHS.len() as u64) as usize] as usize;
    let seed = random.next_u64();
    let words = (0_u64..).map(|n| (seed ^ n).wrapping_mul(6_364_136_223_846_793_005));
    let mut bytes: Vec<u8> = words
        .take(length.div_ceil(8))
        .flat_map(u64::to_be_bytes)
        .collect();
    bytes.truncate(length);
    bytes
}
