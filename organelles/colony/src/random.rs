//! Random numbers without state: the same (seed, stream, counter) gives the same bits for ever.
//!
//! The generator is Threefry-2x64 with 20 rounds: seed and stream are its key, and the counter is
//! encrypted. A draw therefore needs no history: it can be keyed by what it is for, say a message
//! and an attempt, and is the same in any order and on any number of threads.
//!
//! It is not meant for secrets.
//!
//! # Invariants
//! 1. The output is a function of the arguments alone, by integer arithmetic only.
//! 2. The output never changes between versions: the published vectors below hold it fixed.
//!
//! Source: Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011;
//! test vectors from the authors' Random123 distribution (`kat_vectors`).

/// Rotations of Threefry-2x64, one a round, repeated.
const ROTATIONS: [u32; 8] = [16, 42, 12, 31, 16, 32, 24, 21];

/// Rounds between two key injections.
const ROUNDS_PER_INJECTION: usize = 4;

/// Key injections: 5 × 4 = 20 rounds, the authors' recommendation with a margin of safety.
const INJECTIONS: u64 = 5;

/// The constant that Skein and Threefish add to the key schedule.
const KEY_PARITY: u64 = 0x1BD1_1BDA_A9FC_1A22;

/// Threefry-2x64-20: two words that depend on every bit of `key` and `counter`.
pub fn threefry(key: [u64; 2], counter: [u64; 2]) -> [u64; 2] {
    let [k0, k1] = key;
    let [c0, c1] = counter;
    let mut schedule = [k0, k1, k0 ^ k1 ^ KEY_PARITY];
    let mut x = c0.wrapping_add(k0);
    let mut y = c1.wrapping_add(k1);
    let mut rotations = ROTATIONS.iter().cycle();
    for injection in 1..=INJECTIONS {
        for rotation in rotations.by_ref().take(ROUNDS_PER_INJECTION) {
            x = x.wrapping_add(y);
            y = y.rotate_left(*rotation) ^ x;
        }
        schedule.rotate_left(1);
        let [a, b, _] = schedule;
        x = x.wrapping_add(a);
        y = y.wrapping_add(b).wrapping_add(injection);
    }
    [x, y]
}

/// One draw of 64 bits: `stream` separates uses of one seed, `counter` names the draw in it.
pub fn draw(seed: u64, stream: u64, counter: [u64; 2]) -> u64 {
    let [first, _] = threefry([seed, stream], counter);
    first
}

/// The upper 53 bits as a number in [0, 1): every value is a multiple of 2⁻⁵³, exactly.
pub fn unit(bits: u64) -> f64 {
    const STEP: f64 = 1.0 / 9_007_199_254_740_992.0; // 2⁻⁵³, the spacing of f64 below 1
    (bits >> 11) as f64 * STEP
}

/// Draws taken one after another from a stream, for use by a single owner.
#[derive(Debug, Clone)]
pub struct Sequence {
    seed: u64,
    stream: u64,
    next: u64,
}

impl Sequence {
    /// The beginning of the stream `stream` of `seed`.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { seed, stream, next: 0 }
    }

    /// Sixty-four uniform bits: draw `[n, 0]` of the stream for n = 0, 1, 2 …
    pub fn bits(&mut self) -> u64 {
        let counter = self.next;
        self.next = counter.wrapping_add(1);
        draw(self.seed, self.stream, [counter, 0])
    }

    /// A uniform number in [0, 1), a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// A uniform integer in `0..bound` without bias; 0 for a bound of 0 or 1.
    ///
    /// Source: Lemire: "Fast random integer generation in an interval", ACM TOMACS 29(1), 2019.
    pub fn below(&mut self, bound: u64) -> u64 {
        let bound = bound.max(1);
        // Low halves under 2⁶⁴ mod bound belong to values that would come up once too often.
        let biased = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if product as u64 >= biased {
                return (product >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        // Random123, kat_vectors, "threefry2x64 20": counter, key, output.
        let ones = u64::MAX;
        let cases = [
            ([0, 0], [0, 0], [0xc2b6e3a8c2c69865, 0x6f81ed42f350084d]),
            ([ones, ones], [ones, ones], [0xe02cb7c4d95d277a, 0xd06633d0893b8b68]),
            (
                [0x243f6a8885a308d3, 0x13198a2e03707344],
                [0xa4093822299f31d0, 0x082efa98ec4e6c89],
                [0x263c7d30bb0f0af1, 0x56be8361d3311526],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(threefry(key, counter), expected, "{counter:x?} {key:x?}");
        }
    }

    #[test]
    fn a_sequence_is_the_draws_in_order() {
        let mut sequence = Sequence::new(7, 3);
        for counter in 0..100 {
            assert_eq!(sequence.bits(), draw(7, 3, [counter, 0]));
        }
    }

    #[test]
    fn unit_stays_below_one() {
        let cases = [
            (0, 0.0),
            (1 << 11, 1.0 / 9_007_199_254_740_992.0),
            (1 << 63, 0.5),
            (u64::MAX, 1.0 - f64::EPSILON / 2.0),
        ];
        for (bits, expected) in cases {
            assert_eq!(unit(bits), expected, "{bits:x}");
        }
    }

    #[test]
    fn below_keeps_its_bound_and_reaches_every_value() {
        for bound in [0, 1, 2, 3, 10, 255, (1 << 63) + 1, u64::MAX] {
            let mut sequence = Sequence::new(1, bound);
            for _ in 0..1000 {
                assert!(sequence.below(bound) < bound.max(1), "{bound}");
            }
        }
        let mut counts = [0u32; 6];
        let mut sequence = Sequence::new(2, 0);
        for _ in 0..60_000 {
            counts[sequence.below(6) as usize] += 1;
        }
        // Chi-square with 5 degrees of freedom: 20.5 is passed once in a thousand seeds.
        let chi: f64 =
            counts.iter().map(|&count| (f64::from(count) - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi < 20.5, "{counts:?}: {chi}");
    }

    #[test]
    fn below_has_no_bias_at_a_bound_that_does_not_divide() {
        // For a bound of 3·2⁶² a plain product gives every third value twice as often.
        let bound = 3u64 << 62;
        let mut sequence = Sequence::new(3, 0);
        let low = (0..40_000).filter(|_| sequence.below(bound) < bound / 2).count();
        let thirds = (0..30_000).filter(|_| sequence.below(bound).is_multiple_of(3)).count();
        assert!((19_500..20_500).contains(&low), "{low}");
        assert!((9_600..10_400).contains(&thirds), "{thirds}");
    }

    #[test]
    fn mean_variance_and_neighbours_are_sane() {
        let n = 100_000;
        let values: Vec<f64> = (0..n).map(|i| unit(draw(11, 5, [i, 0]))).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        let neighbours =
            values.windows(2).map(|w| (w[0] - 0.5) * (w[1] - 0.5)).sum::<f64>() / n as f64;
        // Five standard errors of each for 100,000 uniform numbers.
        assert!((mean - 0.5).abs() < 0.0046, "{mean}");
        assert!((variance - 1.0 / 12.0).abs() < 0.0012, "{variance}");
        assert!(neighbours.abs() < 0.0014, "{neighbours}");
    }
}
