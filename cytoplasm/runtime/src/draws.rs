//! Random numbers that are no state: each is a function of what it is drawn for.
//!
//! So the same numbers come for any number of schedulers, when a step is given again and when a
//! run is repeated. Arithmetic that IEEE 754 defines to the last bit and nothing of the system's
//! mathematical library: they are the same on any machine, too.

use karyon_types::AgentId;

/// What `agent` draws in its step `step`, the `index`th time.
pub(crate) fn draw(seed: u64, agent: AgentId, step: u64, index: u64) -> u64 {
    let stream = [agent.0, step].into_iter().fold(mix(seed), |key, part| mix(key ^ mix(part)));
    // The outputs of SplitMix64 that begins with `stream`.
    mix(stream.wrapping_add(index.wrapping_mul(GOLDEN)))
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 on the next state; no two states have the same. Source:
/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[inline]
pub(crate) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Random bits as a number from 0 up to, but not, 1: a multiple of 2⁻⁵³.
#[inline]
pub fn unit(bits: u64) -> f64 {
    ((bits >> 11) as f64) * (1.0 / (1u64 << 53) as f64)
}

/// Random bits as a whole number from 0 up to, but not, `bound` (0 for 0). Of any two numbers
/// neither is drawn more often than the other by more than `bound` / 2⁶⁴.
#[inline]
pub fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// Random bits as a time to wait for what happens `rate` times a unit of time, on average: its
/// distribution is exponential. Infinite when the rate is not positive.
pub fn exponential(bits: u64, rate: f64) -> f64 {
    // Never 0, so that its logarithm is finite.
    let left = 1.0 - unit(bits);
    if rate > 0.0 { -ln(left) / rate } else { f64::INFINITY }
}

/// The natural logarithm of a positive, normal number, to a few units of the last place, the same on
/// any machine: ln(m · 2ᵉ) = e · ln 2 + 2 artanh((m − 1) / (m + 1)), with m between √½ and √2.
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut m = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if m > std::f64::consts::SQRT_2 {
        (m, exponent) = (m / 2.0, exponent + 1);
    }
    let s = (m - 1.0) / (m + 1.0);
    // |s| < 0.172, so that the first term that is left out is less than 2⁻⁵⁶ of the sum.
    let (square, mut sum) = (s * s, 0.0);
    for odd in (1..=21).rev().step_by(2) {
        sum = sum * square + 1.0 / f64::from(odd);
    }
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mixes_as_the_paper_does() {
        // First outputs of SplitMix64 seeded with 1234567.
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
        assert_eq!(mix(1_234_567u64.wrapping_add(GOLDEN)), 3_203_168_211_198_807_973);
    }

    proptest! {
        #[test]
        fn the_logarithm_is_that_of_the_library(bits in 1u64..1 << 53) {
            let x = bits as f64 / (1u64 << 53) as f64;
            prop_assert!((ln(x) - x.ln()).abs() <= 4.0 * f64::EPSILON * x.ln().abs().max(1e-300));
        }

        #[test]
        fn below_is_below(bits: u64, bound: u64) {
            prop_assert!(below(bits, bound) < bound.max(1));
            prop_assert!((0.0..1.0).contains(&unit(bits)));
            prop_assert!(exponential(bits, 3.0) >= 0.0);
        }
    }

    #[test]
    fn the_ends_are_where_they_should_be() {
        assert_eq!((exponential(0, 1.0), exponential(7, 0.0)), (0.0, f64::INFINITY));
        assert!((exponential(u64::MAX, 1.0) - 53.0 * std::f64::consts::LN_2).abs() < 1e-12);
        assert_eq!((below(u64::MAX, 6), below(0, 6), below(u64::MAX, 0)), (5, 0, 0));
    }

    /// What the agents of a run draw is as even as independent draws are: the means of 4 moments
    /// within five standard errors, for streams that differ in one number each.
    #[test]
    fn streams_of_neighbours_look_independent() {
        let draws = |seed: u64, agent: u64, step: u64, index: u64| {
            unit(draw(seed, AgentId(agent), step, index))
        };
        let n = 40_000u64;
        let root = (n as f64).sqrt();
        let streams: [&dyn Fn(u64) -> f64; 4] =
            [&|i| draws(i, 1, 0, 1), &|i| draws(7, i, 0, 1), &|i| draws(7, 1, i, 1), &|i| {
                draws(7, 1, 0, i)
            }];
        for stream in streams {
            let mean = (0..n).map(stream).sum::<f64>() / n as f64;
            assert!((mean - 0.5).abs() < 5.0 * (1.0f64 / 12.0).sqrt() / root, "{mean}");
            let lag = (0..n).map(|i| (stream(i) - 0.5) * (stream(i + 1) - 0.5)).sum::<f64>();
            let lag = lag / n as f64;
            assert!(lag.abs() < 5.0 / 12.0 / root, "{lag}");
            let wait = (0..n).map(|i| -ln(1.0 - stream(i))).sum::<f64>() / n as f64;
            assert!((wait - 1.0).abs() < 5.0 / root, "{wait}");
        }
    }
}
