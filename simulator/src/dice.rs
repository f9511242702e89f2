//! Chance that depends on nothing but a seed and a name.

use hanse_crypto::hash;

/// A stream of numbers. Not the runtime's own randomness, so that a scenario stays the same when the engine draws
/// differently. The generator is SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream called `name` of `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        let digest = hash("hanse-simulator/dice", &[&seed.to_le_bytes(), name.as_bytes()]);
        let first = digest.0.first_chunk().expect("a digest has 32 bytes");
        Self(u64::from_le_bytes(*first))
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`, which must not be zero. The bias of the remainder is of no matter here.
    pub fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `per_mille` of 1000 cases.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of four members.
    pub fn member(&mut self) -> usize {
        usize::try_from(self.below(crate::MEMBERS as u64)).expect("four fits")
    }

    /// Bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.roll().to_le_bytes()[0]).collect()
    }
}
