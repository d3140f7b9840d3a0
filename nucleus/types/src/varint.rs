//! Compact integers: LEB128, little end first, seven bits a byte, shortest form only.
//!
//! Source: DWARF 5, section 7.6. A longer form of the same number is refused, so that every
//! record has exactly one encoding.

/// The longest encoding of a `u64`, in bytes.
pub const MAX_BYTES: usize = 10;

/// Appends `value`.
#[inline]
pub fn write(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends these, one behind the other.
#[inline]
pub fn write_all<const N: usize>(out: &mut Vec<u8>, values: [u64; N]) {
    values.into_iter().for_each(|value| write(out, value));
}

/// Takes one integer from the front of `bytes`; `None` when it is cut off, too long or not in
/// its shortest form (then `bytes` is left where it was).
#[inline]
pub fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(MAX_BYTES).enumerate() {
        let part = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        if part.checked_shl(shift).map(|v| v >> shift) != Some(part) {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            if index > 0 && *byte == 0 {
                return None;
            }
            *bytes = bytes.get(index + 1..)?;
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_encodings() {
        for (value, bytes) in [
            (0, &[0u8][..]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (u64::MAX, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ] {
            let mut out = Vec::new();
            write(&mut out, value);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn refuses_cut_long_and_padded_forms() {
        for bytes in [&[][..], &[0x80], &[0x80, 0], &[255; 10], &[255; 11], &[0x80; 12]] {
            let mut rest = bytes;
            assert_eq!(read(&mut rest), None, "{bytes:?}");
            assert_eq!(rest, bytes);
        }
    }

    proptest! {
        #[test]
        fn comes_back(value: u64, tail: Vec<u8>) {
            let mut out = Vec::new();
            write(&mut out, value);
            prop_assert!(out.len() <= MAX_BYTES);
            out.extend(&tail);
            let mut rest = &out[..];
            prop_assert_eq!(read(&mut rest), Some(value));
            prop_assert_eq!(rest, &tail[..]);
        }

        #[test]
        fn any_bytes_decode_to_their_own_encoding(bytes: Vec<u8>) {
            let mut rest = &bytes[..];
            if let Some(value) = read(&mut rest) {
                let mut out = Vec::new();
                write(&mut out, value);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - rest.len()]);
            }
        }
    }
}
