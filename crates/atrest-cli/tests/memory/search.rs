//! Bytes in the memory of another process.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use atrest_core::{Key, Purpose};

/// Bytes read at a time.
const PART: usize = 4 << 20;
/// Enough of a secret to count as found.
const ENOUGH: usize = 16;

/// What to look for.
#[derive(Default)]
pub(crate) struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    /// `bytes`, any 16 of them that begin at a multiple of 16, or the last 16.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) {
        let last = bytes.len() - ENOUGH;
        let starts = (0..last).step_by(ENOUGH).chain([last]);
        for start in starts {
            let part = bytes[start..start + ENOUGH].to_vec();
            self.0.push((format!("{name} from byte {start}"), part));
        }
    }

    /// A key in all the ways that people write it.
    pub(crate) fn add_spellings(&mut self, name: &str, key: &Key) {
        let hex: String = key
            .expose_secret()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let url = key.to_base64url();
        let url = url.trim_end_matches('=');
        self.add(&format!("{name} in base64url"), url.as_bytes());
        let standard = url.replace('-', "+").replace('_', "/");
        self.add(&format!("{name} in base64"), standard.as_bytes());
        self.add(&format!("{name} in hex"), hex.as_bytes());
        let upper = hex.to_uppercase();
        self.add(&format!("{name} in upper-case hex"), upper.as_bytes());
    }

    /// The key's subkeys, one for each purpose.
    pub(crate) fn add_subkeys(&mut self, name: &str, key: &Key) {
        for purpose in Purpose::ALL {
            let name = format!("{name}'s subkey for {}", purpose.label());
            match purpose {
                Purpose::KeyId => {} // four bytes of it are public
                Purpose::FieldA256CbcHs512 => self.add(&name, &*key.derive::<64>(purpose)),
                _ => self.add(&name, &*key.derive::<32>(purpose)),
            }
        }
    }
}

/// Secrets by their first two bytes.
struct Index<'s>(Vec<Vec<&'s (String, Vec<u8>)>>);

impl Secrets {
    fn index(&self) -> Index<'_> {
        let mut by_start = vec![Vec::new(); 1 << 16];
        for secret in &self.0 {
            let two = [secret.1[0], secret.1[1]];
            by_start[usize::from(u16::from_le_bytes(two))].push(secret);
        }
        Index(by_start)
    }
}

impl Index<'_> {
    /// Tells each that stands in `part`: where, and its name.
    fn each_in(&self, part: &[u8], mut tell: impl FnMut(usize, &str)) {
        const PAGE: usize = 4096;
        // Most of it was never written.
        let skip_zeros = self.0[0].is_empty();
        for (page, bytes) in (0..).step_by(PAGE).zip(part.chunks(PAGE)) {
            if skip_zeros && bytes == &[0; PAGE][..bytes.len()] {
                continue;
            }
            let end = (page + PAGE).min(part.len() - 1);
            for start in page..end {
                let two = u16::from_le_bytes([part[start], part[start + 1]]);
                for (name, bytes) in &self.0[usize::from(two)] {
                    if part[start..].starts_with(bytes) {
                        tell(start, name);
                    }
                }
            }
        }
    }
}

/// What stands in a file, with its name.
pub(crate) fn search_file(path: &Path, secrets: &Secrets) -> Vec<String> {
    let (file, index) = (File::open(path).unwrap(), secrets.index());
    let (mut found, mut at, mut part) = (Vec::new(), 0, vec![0; PART + ENOUGH]);
    loop {
        let length = file.read_at(&mut part, at).unwrap();
        if length == 0 {
            return found;
        }
        index.each_in(&part[..length], |start, name| {
            found.push(format!("{name} at {:x}", at + start as u64));
        });
        // A short read is looked at anew from where it may have been cut.
        at += match length {
            ..=ENOUGH => length,
            _ => length - ENOUGH,
        } as u64;
    }
}

/// Where something was found.
pub(crate) struct Found {
    /// Its name.
    pub(crate) what: String,
    /// The mapping: its path or kind, and its flags.
    pub(crate) place: String,
    /// In a page that is locked (`lo`) and in no core dump (`dd`).
    pub(crate) protected: bool,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.what, self.place)
    }
}

struct Mapping {
    from: u64,
    to: u64,
    place: String,
    protected: bool,
}

/// Searches all memory that the process has written or read, swapped out too.
///
/// Needs to be root, or the process to be one's own and dumpable.
pub(crate) fn search(pid: u32, secrets: &Secrets) -> Vec<Found> {
    let open = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}; run the test as root"))
    };
    let (memory, pagemap) = (open("mem"), open("pagemap"));
    let index = secrets.index();
    let mut found = Vec::new();
    let mut searched = 0;
    for mapping in mappings(pid) {
        for (from, to) in present(&pagemap, &mapping) {
            let mut at = from;
            while at < to {
                let length = usize::try_from(to - at).unwrap().min(PART + ENOUGH);
                let mut part = vec![0; length];
                if memory.read_exact_at(&mut part, at).is_err() {
                    break; // the kernel's own pages
                }
                searched += length;
                index.each_in(&part, |start, name| {
                    found.push(Found {
                        what: name.to_owned(),
                        place: format!("{:x} in {}", at + start as u64, mapping.place),
                        protected: mapping.protected,
                    });
                });
                at += PART as u64;
            }
        }
    }
    assert!(searched > 1 << 20, "{searched} bytes are no process");
    found
}

fn mappings(pid: u32) -> Vec<Mapping> {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let last = mappings.last_mut().unwrap();
            let has = |flag| flags.split(' ').any(|f| f == flag);
            last.protected = has("lo") && has("dd");
            last.place = format!("{} [{}]", last.place, flags.trim());
        } else if let Some((range, rest)) = line.split_once(' ')
            && let Some((from, to)) = range.split_once('-')
        {
            mappings.push(Mapping {
                from: u64::from_str_radix(from, 16).unwrap(),
                to: u64::from_str_radix(to, 16).unwrap(),
                place: rest.split_whitespace().last().unwrap().to_owned(),
                protected: false,
            });
        }
    }
    mappings
}

/// The runs of pages that are in memory or in swap.
fn present(pagemap: &File, mapping: &Mapping) -> Vec<(u64, u64)> {
    let page = rustix::param::page_size() as u64;
    let pages = (mapping.to - mapping.from) / page;
    let mut entries = vec![0; usize::try_from(pages * 8).unwrap()];
    if pagemap
        .read_exact_at(&mut entries, mapping.from / page * 8)
        .is_err()
    {
        return Vec::new(); // vsyscall
    }
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let (entries, _) = entries.as_chunks::<8>();
    for (from, entry) in (mapping.from..).step_by(page as usize).zip(entries) {
        // Bit 63: in memory; bit 62: in swap (Documentation/admin-guide/mm/pagemap.rst).
        if u64::from_le_bytes(*entry) >> 62 == 0 {
            continue;
        }
        match runs.last_mut() {
            Some((_, to)) if *to == from => *to += page,
            _ => runs.push((from, from + page)),
        }
    }
    runs
}
