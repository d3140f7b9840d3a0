//! The headers of a tar archive, in one form.
//! Source: POSIX.1-2017, `pax`, ustar interchange format; lengths from 8 GiB on in base 256, as GNU
//! tar and all later ones write and read them.
//!
//! Regular files alone, without owner, time or link. A header that is read has to be the one that
//! would be written for its name and length, so nothing can be told by any other field of it.

use crate::limits::NAME_BYTES_MAX;

/// What everything in an archive is a multiple of, bytes.
pub(crate) const BLOCK: usize = 512;

/// The bytes of a block.
pub(crate) type Block = [u8; BLOCK];

/// Where the length stands.
const SIZE_AT: usize = 124;
const SIZE_BYTES: usize = 12;
/// Where the kind of file stands.
const KIND_AT: usize = 156;

/// The header of a file; `None`: the name is none, or too long.
pub(crate) fn header(name: &str, bytes: u64) -> Option<Block> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains('\0') {
        return None;
    }
    let with_sum = |sum: &[u8; 8]| -> Block {
        let mut parts = Parts { block: [0; BLOCK], at: 0 };
        parts.put(name.as_bytes(), 100);
        parts.put(b"0000644", 8);
        parts.put(b"0000000", 8);
        parts.put(b"0000000", 8);
        parts.put(&size(bytes), SIZE_BYTES);
        parts.put(b"00000000000", 12);
        parts.put(sum, 8);
        parts.put(b"0", 1);
        parts.put(b"", 100);
        parts.put(b"ustar", 6);
        parts.put(b"00", 2);
        parts.put(b"", 64);
        parts.put(b"0000000", 8);
        parts.put(b"0000000", 8);
        parts.block
    };
    let sum: u32 = with_sum(b"        ").iter().map(|byte| u32::from(*byte)).sum();
    let mut field = [0; 8];
    for (place, byte) in field.iter_mut().zip(format!("{sum:06o}\0 ").bytes()) {
        *place = byte;
    }
    Some(with_sum(&field))
}

/// A block that is filled field by field; what is left of a field is zero.
struct Parts {
    block: Block,
    at: usize,
}

impl Parts {
    fn put(&mut self, bytes: &[u8], width: usize) {
        let field = self.block.iter_mut().skip(self.at).take(width);
        field.zip(bytes).for_each(|(place, byte)| *place = *byte);
        self.at += width;
    }
}

fn size(bytes: u64) -> [u8; SIZE_BYTES] {
    let mut field = [0; SIZE_BYTES];
    let octal = format!("{bytes:011o}");
    let digits: Vec<u8> = match octal.len() {
        ..SIZE_BYTES => octal.into_bytes(),
        _ => [&[0x80, 0, 0, 0][..], &bytes.to_be_bytes()].concat(),
    };
    field.iter_mut().zip(digits).for_each(|(place, digit)| *place = digit);
    field
}

/// The name and the length of the file whose header this is.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn read(block: &Block) -> Result<(String, u64), &'static str> {
    let kind = block.get(KIND_AT).copied();
    match kind {
        Some(b'0') => {}
        Some(b'1' | b'2') => return Err("a link, and an export holds none"),
        Some(b'3' | b'4' | b'6') => return Err("a device or a pipe, and an export holds none"),
        Some(b'5') => return Err("a folder, and an export holds none"),
        Some(_) | None => return Err("no header of a file as an export has it"),
    }
    let field = block.get(..NAME_BYTES_MAX).unwrap_or_default();
    let name = field.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = std::str::from_utf8(name).map_err(|_| "a file whose name is no text")?;
    let bytes = block.get(SIZE_AT..).and_then(read_size).ok_or("a file of no length")?;
    match header(name, bytes) {
        Some(only) if only == *block => Ok((name.to_owned(), bytes)),
        Some(_) | None => Err("a header that is not in its one form"),
    }
}

fn read_size(field: &[u8]) -> Option<u64> {
    match field.first()? {
        0x80 => field.get(4..SIZE_BYTES)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)),
        _ => {
            let digits = std::str::from_utf8(field.get(..SIZE_BYTES - 1)?).ok()?;
            u64::from_str_radix(digits, 8).ok()
        }
    }
}

/// How many zeros follow so many bytes.
pub(crate) fn padding(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK as u64) - bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_tar_writes() {
        // As GNU tar makes it: --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@0.
        let block = header("log/checkpoint", 231).unwrap();
        assert_eq!(&block[..16], b"log/checkpoint\0\0");
        assert_eq!(&block[100..108], b"0000644\0");
        assert_eq!(&block[124..136], b"00000000347\0");
        assert_eq!(&block[257..265], b"ustar\x0000");
        let mut sum = 0;
        for (at, byte) in block.iter().enumerate() {
            sum += u32::from(if (148..156).contains(&at) { b' ' } else { *byte });
        }
        assert_eq!(block[148..156], *format!("{sum:06o}\0 ").as_bytes());
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let long = "x".repeat(NAME_BYTES_MAX);
        for name in ["a", "log/00000000.log", "inputs/ä.txt", &long] {
            for bytes in [0, 1, 511, 0o77_777_777_777, 0o100_000_000_000, u64::MAX] {
                let block = header(name, bytes).unwrap();
                assert_eq!(read(&block), Ok((name.to_owned(), bytes)));
            }
        }
        assert!(header("", 1).is_none());
        assert!(header(&"x".repeat(NAME_BYTES_MAX + 1), 1).is_none());
        let block = header("inputs/contacts", 1_234_567).unwrap();
        for at in 0..BLOCK {
            for bit in 0..8 {
                let mut changed = block;
                changed[at] ^= 1 << bit;
                // Another name with its own sum would be another file; a changed bit is not.
                assert!(read(&changed).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn links_devices_and_folders_are_named() {
        for (kind, word) in [(b'1', "link"), (b'2', "link"), (b'3', "device"), (b'5', "folder")] {
            let mut block = header("a", 0).unwrap();
            block[KIND_AT] = kind;
            assert!(read(&block).unwrap_err().contains(word), "{word}");
        }
        for kind in [0, b'7', b'x', b'g', b'L'] {
            let mut block = header("a", 0).unwrap();
            block[KIND_AT] = kind;
            assert!(read(&block).is_err());
        }
    }

    #[test]
    fn padding_fills_the_block() {
        for (bytes, zeros) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(bytes), zeros);
        }
    }
}
