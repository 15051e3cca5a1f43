//! Randomness that a seed repeats: SplitMix64 (Steele, Lea, Flood 2014). For
//! choosing test cases, never for keys.

/// A generator; the same seed gives the same numbers.
///
/// ```
/// use atrest_testing::random::Random;
/// let (mut a, mut b) = (Random::new(7), Random::new(7));
/// assert_eq!(a.below(1000), b.below(1000));
/// ```
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From the clock and the process id: a different one every time. The seed is
    /// given too, for the message of a failed test.
    pub fn from_clock() -> (Self, u64) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |d| d.as_nanos() as u64);
        let seed = Self(now ^ (u64::from(std::process::id()) << 40)).next_u64();
        (Self(seed), seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not including, `bound` (which is not 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of the authors' splitmix64.c for seed 1234567.
    #[test]
    fn splitmix64_reference_outputs() {
        let mut r = Random::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| r.next_u64()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut r = Random::new(1);
        let mut seen = [false; 10];
        (0..1000).for_each(|_| seen[r.below(10) as usize] = true);
        assert_eq!(seen, [true; 10]);
    }
}
