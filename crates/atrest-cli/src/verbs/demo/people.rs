//! Invented people and their invented faces: pseudo-random, the same in every run,
//! and nobody's.

use std::fmt::Write as _;

/// Beginnings and ends that make up names which nobody has.
const STARTS: [&str; 20] = [
    "Zor", "Quil", "Vex", "Brim", "Tarn", "Olv", "Fen", "Grix", "Mur", "Pell", "Dra", "Hesk",
    "Jov", "Lun", "Nim", "Rusk", "Sel", "Thra", "Ulm", "Wex",
];
const ENDS: [&str; 16] = [
    "ando", "ith", "ova", "umber", "ell", "arix", "owen", "ista", "ek", "ulia", "orn", "essa",
    "imo", "ask", "ent", "ylla",
];

/// Features of a face template.
const FEATURES: usize = 44;

/// The domain of every address: reserved for examples (RFC 2606).
pub(super) const DOMAIN: &str = "@example.org";

/// SplitMix64: small, fast, and the same everywhere. No secret comes from it.
pub(super) struct Numbers(u64);

impl Numbers {
    /// The sequence of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<'a, const N: usize>(&mut self, words: &[&'a str; N]) -> &'a str {
        usize::try_from(self.below(N as u64))
            .ok()
            .and_then(|i| words.get(i).copied())
            .unwrap_or_default()
    }
}

/// Somebody who does not exist.
pub(super) struct Person {
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email: String,
}

/// The person with this number.
pub(super) fn person(id: u64, numbers: &mut Numbers) -> Person {
    let mut name = || format!("{}{}", numbers.one_of(&STARTS), numbers.one_of(&ENDS));
    let (first_name, last_name) = (name(), name());
    let email = format!("{first_name}.{last_name}.{id}{DOMAIN}").to_lowercase();
    Person {
        first_name,
        last_name,
        email,
    }
}

/// A face template as JSON, about 370 bytes.
pub(super) fn face(numbers: &mut Numbers) -> String {
    let mut json = format!(
        "{{\"model\":\"demo-{FEATURES}\",\"quality\":0.{:02},\"embedding\":[",
        50 + numbers.below(50)
    );
    for i in 0..FEATURES {
        let sign = if numbers.below(2) == 0 { "" } else { "-" };
        let comma = if i == 0 { "" } else { "," };
        let _infallible = write!(json, "{comma}{sign}0.{:04}", numbers.below(10_000));
    }
    json.push_str("]}");
    json
}

#[cfg(test)]
mod tests {
    use super::{Numbers, face, person};

    #[test]
    fn the_same_in_every_run() {
        let make = || {
            let mut numbers = Numbers::new(1);
            (person(7, &mut numbers).email, face(&mut numbers))
        };
        assert_eq!(make(), make());
        let (email, face) = make();
        assert!(email.ends_with(".7@example.org"), "{email}");
        assert!((350..400).contains(&face.len()), "{} bytes", face.len());
        assert!(serde_json::from_str::<serde_json::Value>(&face).is_ok());
    }
}
