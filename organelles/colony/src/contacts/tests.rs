//! Tests of the contact parser, and the inputs that other modules' tests share.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

/// Parses a text that has to be right.
pub(crate) fn contacts(text: &str) -> Contacts {
    Contacts::parse(text.into()).unwrap().0
}

/// The CollegeMsg data set, or `None` with a visible line when it is absent.
pub(crate) fn college_msg() -> Option<Contacts> {
    let folder = std::env::var_os("KARYON_DATASETS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets"),
        PathBuf::from,
    );
    let path = folder.join("college-msg.txt");
    if !path.exists() {
        // Straight to standard error: the test harness hides what passing tests print.
        let skipped = format!("SKIPPED: {} is absent (set KARYON_DATASETS)\n", path.display());
        std::io::Write::write_all(&mut std::io::stderr(), skipped.as_bytes()).unwrap();
        return None;
    }
    Some(Contacts::parse(std::fs::read(path).unwrap()).unwrap().0)
}

/// Contacts by name, one line each: source, target, time at the scale.
fn print(contacts: &Contacts) -> String {
    let line = |contact: &Contact| {
        let name = |person| contacts.name(person).unwrap();
        format!("{} {} {}", name(contact.source), name(contact.target), contact.time)
    };
    contacts.list().iter().map(line).collect::<Vec<_>>().join("; ")
}

#[test]
fn good_files() {
    let header = |line, text: &str| Note::Header { line, text: text.into() };
    // Input, scale, contacts, notes.
    let cases: Vec<(&str, u8, &str, Vec<Note>)> = vec![
        ("a b 1", 0, "a b 1", vec![]),
        ("a b 1\n", 0, "a b 1", vec![]),
        ("\n \n\ta  b\t1 \n\n", 0, "a b 1", vec![]),
        ("a,b,1\na , b ,2\na b,3\n", 0, "a b 1; a b 2; a b 3", vec![]),
        ("a b 1\r\nb c 2\r\n", 0, "a b 1; b c 2", vec![]),
        ("\u{feff}a b 1", 0, "a b 1", vec![]),
        ("\u{feff}# made by hand\na b 1", 0, "a b 1", vec![]),
        ("# comment\n  # more\na b 1\n#end", 0, "a b 1", vec![]),
        ("a# #b 1", 0, "a# #b 1", vec![]),
        ("Zoë 李四 1", 0, "Zoë 李四 1", vec![]),
        ("a\u{a0}b \"c\" 1", 0, "a\u{a0}b \"c\" 1", vec![]),
        ("7 7 1", 0, "7 7 1", vec![]),
        ("a b -3\na b +3", 0, "a b -3; a b 3", vec![]),
        ("a b 1.5\na b 2\na b 2.25", 2, "a b 150; a b 200; a b 225", vec![]),
        ("a b -0.5\na b 0007", 1, "a b -5; a b 70", vec![]),
        ("a b 9223372036854775807", 0, "a b 9223372036854775807", vec![]),
        ("a b -9223372036854775808", 0, "a b -9223372036854775808", vec![]),
        ("a b 9223372036.854775807", 9, "a b 9223372036854775807", vec![]),
        ("src dst time\na b 1", 0, "a b 1", vec![header(1, "src dst time")]),
        ("#\nFrom,To,Unix_TS\na,b,1", 0, "a b 1", vec![header(2, "From,To,Unix_TS")]),
        ("a b 1\na b 1\na b 1", 0, "a b 1; a b 1; a b 1", vec![]),
        ("a b 2\nc d 1\ne f 2", 0, "c d 1; a b 2; e f 2", vec![Note::OutOfOrder { lines: 1 }]),
        (
            "z y 9\na c 2\nb a 2\na b 2",
            0,
            "a c 2; b a 2; a b 2; z y 9",
            vec![Note::OutOfOrder { lines: 3 }],
        ),
        ("a b 3\nc d 1\ne f 2", 0, "c d 1; e f 2; a b 3", vec![Note::OutOfOrder { lines: 2 }]),
        ("a b 1.0\na b 0.99", 2, "a b 99; a b 100", vec![Note::OutOfOrder { lines: 1 }]),
    ];
    for (text, scale, expected, notes) in cases {
        let (contacts, found) = Contacts::parse(text.into()).unwrap();
        assert_eq!(print(&contacts), expected, "{text:?}");
        assert_eq!(contacts.scale(), scale, "{text:?}");
        assert_eq!(found, notes, "{text:?}");
        assert_eq!(contacts.raw(), text.as_bytes(), "{text:?}");
    }
}

#[test]
fn bad_lines() {
    use Field::{Line, Source, Target, Time};
    let long_id = "x".repeat(MAX_ID_BYTES + 1);
    let long_line = format!("a b 1 {}", "x".repeat(MAX_LINE_BYTES));
    let x60 = format!("{}…", "x".repeat(QUOTED_CHARS));
    let long_cut = format!("a b 1 {}…", "x".repeat(54));
    let (long_source, long_target) = (format!("{long_id} b 1"), format!("a {long_id} 1"));
    let fields = |found| Reason::FieldCount { found };
    let range = |decimals| Reason::OutOfRange { decimals };
    // Input, line, field, quoted text, reason.
    let cases: Vec<(&str, u32, Field, &str, Reason)> = vec![
        ("a", 1, Line, "a", fields(1)),
        ("a b", 1, Line, "a b", fields(2)),
        ("a b 1 2", 1, Line, "a b 1 2", fields(4)),
        ("a b 1 # note", 1, Line, "a b 1 # note", fields(5)),
        ("a,b,1,", 1, Line, "a,b,1,", fields(4)),
        ("a b 1\rb c 2", 1, Line, "a b 1\\rb c 2", fields(5)),
        (&long_line, 1, Line, &long_cut, Reason::LineTooLong),
        (",b,1", 1, Source, "", Reason::Empty),
        ("a,,1", 1, Target, "", Reason::Empty),
        ("a,b,", 1, Time, "", Reason::Empty),
        (&long_source, 1, Source, &x60, Reason::IdTooLong),
        (&long_target, 1, Target, &x60, Reason::IdTooLong),
        ("a\u{1b}[31m b 1", 1, Source, "a\\u{1b}[31m", Reason::ControlCharacter),
        ("a b\0 1", 1, Target, "b\\0", Reason::ControlCharacter),
        ("a b 1\na b 1O", 2, Time, "1O", Reason::NotANumber),
        ("a b l0", 1, Time, "l0", Reason::NotANumber),
        ("alice bob noon", 1, Time, "noon", Reason::NotANumber),
        ("1 2 time", 1, Time, "time", Reason::NotANumber),
        ("src dst time weight", 1, Line, "src dst time weight", fields(4)),
        ("a b 1\nsrc dst time", 2, Time, "time", Reason::NotANumber),
        ("src dst time\nsrc dst time", 2, Time, "time", Reason::NotANumber),
        ("a b 2004-04-15", 1, Time, "2004-04-15", Reason::NotANumber),
        ("a b .5", 1, Time, ".5", Reason::NotANumber),
        ("a b 5.", 1, Time, "5.", Reason::NotANumber),
        ("a b --5", 1, Time, "--5", Reason::NotANumber),
        ("a b 1.2.3", 1, Time, "1.2.3", Reason::NotANumber),
        ("a b ٣", 1, Time, "٣", Reason::NotANumber),
        ("a b -", 1, Time, "-", Reason::NotANumber),
        ("a b NaN", 1, Time, "NaN", Reason::NotFinite),
        ("a b -inf", 1, Time, "-inf", Reason::NotFinite),
        ("a b Infinity", 1, Time, "Infinity", Reason::NotFinite),
        ("a b 1e9", 1, Time, "1e9", Reason::Exponent),
        ("a b -1.5E+09", 1, Time, "-1.5E+09", Reason::Exponent),
        ("a b 0.0000000001", 1, Time, "0.0000000001", Reason::TooManyDecimals),
        ("a b 9223372036854775808", 1, Time, "9223372036854775808", range(0)),
        ("a b -9223372036854775809", 1, Time, "-9223372036854775809", range(0)),
        // Each is in range alone, but not at the scale of both.
        ("a b 0.5\na b 9223372036854775807", 2, Time, "9223372036854775807", range(1)),
    ];
    for (text, line, field, quoted, reason) in cases {
        let listed = vec![BadLine { line, field, text: quoted.into(), reason }];
        let expected = ContactsError::BadLines { listed, total: 1 };
        assert_eq!(Contacts::parse(text.into()), Err(expected), "{text:?}");
    }
}

#[test]
fn files_refused_as_a_whole() {
    let not_utf8 = |line, byte| ContactsError::NotUtf8 { line, byte };
    let cases: [(&[u8], ContactsError); 7] = [
        (b"", ContactsError::NoContacts),
        (b"\n\r\n \n", ContactsError::NoContacts),
        (b"\xef\xbb\xbf# nothing\n", ContactsError::NoContacts),
        (b"src,dst,time\n", ContactsError::NoContacts),
        (b"a b 1\na \xff 2", not_utf8(2, 8)),
        (b"# caf\xe9\na b 1", not_utf8(1, 5)),
        (b"\xff\xfea\0", not_utf8(1, 0)),
    ];
    for (raw, expected) in cases {
        assert_eq!(Contacts::parse(raw.to_vec()), Err(expected), "{raw:?}");
    }
    let size_bytes = MAX_FILE_BYTES + 1;
    let expected = ContactsError::TooLarge { size_bytes };
    assert_eq!(check_size(size_bytes), Err(expected));
    assert_eq!(check_size(MAX_FILE_BYTES), Ok(()));
}

#[test]
fn ten_bad_lines_are_listed_and_all_are_counted() {
    let text = "a b 1\n".to_owned() + &"a b\n".repeat(12);
    let Err(ContactsError::BadLines { listed, total }) = Contacts::parse(text.into()) else {
        panic!("accepted");
    };
    assert_eq!(total, 12);
    let lines: Vec<u32> = listed.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, (2..12).collect::<Vec<u32>>());
    let shown = ContactsError::BadLines { listed, total }.to_string();
    assert!(shown.starts_with("12 bad lines in the contacts:\n  line 2, text \"a b\": 2 fields"));
    assert!(shown.ends_with("\n  and 2 more"), "{shown}");
}

#[test]
fn limits_are_inclusive() {
    let id = "x".repeat(MAX_ID_BYTES);
    assert_eq!(contacts(&format!("{id} b 1")).name(0), Some(id.as_str()));
    let comment = format!("#{}\na b 1", "x".repeat(2 * MAX_LINE_BYTES));
    assert_eq!(contacts(&comment).list().len(), 1);
    let wide = format!("a{}b 1", " ".repeat(MAX_LINE_BYTES - 4));
    assert_eq!(contacts(&wide).list().len(), 1);
}

#[test]
fn people_times_and_lines_can_be_looked_up() {
    let contacts = contacts("# c\nx y 2.50\r\ny,z, +1 \nz x 10");
    let names: Vec<&str> = contacts.names().iter().map(String::as_str).collect();
    assert_eq!(names, ["y", "z", "x"]);
    for (person, name) in [(0, "y"), (1, "z"), (2, "x")] {
        assert_eq!(contacts.name(person), Some(name));
        assert_eq!(contacts.find(name), Some(person));
    }
    assert_eq!(contacts.name(3), None);
    assert_eq!(contacts.find("w"), None);
    let times: Vec<&str> = (0..4).map(|index| contacts.time_text(index)).collect();
    assert_eq!(times, ["+1", "2.50", "10", ""]);
    let lines: Vec<u32> = contacts.list().iter().map(|contact| contact.line).collect();
    assert_eq!(lines, [3, 2, 4]);
}

#[test]
fn busiest_sends_most() {
    for (text, expected) in [
        ("a b 1", "a"),
        ("a b 1\nb c 2\nb c 3", "b"),
        ("a b 1\nb c 2", "a"),
        ("a b 1\nc c 2\nc c 3\na b 4\nb b 5", "a"),
    ] {
        let contacts = contacts(text);
        assert_eq!(contacts.name(contacts.busiest()), Some(expected), "{text}");
    }
}

#[test]
fn messages() {
    let cases = [
        (
            "a b 1e9",
            "1 bad line in the contacts:\n  line 1, time \"1e9\": exponents are not read; write the number out",
        ),
        (
            "a b 1 2",
            "1 bad line in the contacts:\n  line 1, text \"a b 1 2\": 4 fields instead of three, SRC DST TIME; blanks and commas both end a field",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(Contacts::parse(text.into()).unwrap_err().to_string(), expected);
    }
    let (_, notes) = Contacts::parse("src dst time\na b 2\nb c 1".into()).unwrap();
    let notes: Vec<String> = notes.iter().map(Note::to_string).collect();
    assert_eq!(
        notes,
        [
            "line 1 was taken for a header: \"src dst time\"",
            "1 line was not in time order; the contacts were sorted",
        ]
    );
}

#[test]
fn college_msg_counts() {
    let Some(contacts) = college_msg() else {
        return;
    };
    assert_eq!(contacts.list().len(), 59_835);
    assert_eq!(contacts.names().len(), 1_899);
    assert_eq!(contacts.name(0), Some("1"));
}

/// Bytes that often come close to a contact file.
fn nearly_a_file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"a"[..],
        b"b7",
        b"1",
        b"-2.5",
        b"1e3",
        b"nan",
        b" ",
        b"\t",
        b",",
        b"\n",
        b"\r\n",
        b"#",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xc3\xab",
        b"time",
        b"99999999999999999999",
        b".",
        b"\0",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(raw in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Contacts::parse(raw);
    }

    #[test]
    fn near_files_never_panic_and_print_again(raw in nearly_a_file()) {
        if let Ok((contacts, _)) = Contacts::parse(raw) {
            prop_assert_eq!(contacts.list()[0].source, 0);
            let text = rewrite(&contacts);
            let (again, notes) = Contacts::parse(text.into()).unwrap();
            prop_assert_eq!(notes, vec![]);
            prop_assert_eq!(print(&again), print(&contacts));
            prop_assert_eq!(again.names(), contacts.names());
            prop_assert_eq!(again.scale(), contacts.scale());
        }
    }

    #[test]
    fn written_contacts_are_read_back(
        list in prop::collection::vec(
            ("[^\\s,#\\p{Cc}\u{feff}]{1,8}", "[^\\s,\\p{Cc}\u{feff}]{1,8}", any::<i32>(), 0usize..=9),
            1..40,
        ),
        separator in prop::sample::select(vec![" ", "\t", ",", " , ", "  "]),
        ending in prop::sample::select(vec!["\n", "\r\n", "\n\n", "\n# c\n"]),
    ) {
        let mut text = String::new();
        let mut expected: Vec<(i64, &str, &str, String)> = Vec::new();
        for (source, target, whole, zeros) in &list {
            let fraction = if *zeros == 0 { String::new() } else { format!(".{}", "0".repeat(*zeros)) };
            let time = format!("{whole}{fraction}");
            text += &[source, separator, target, separator, &time, ending].concat();
            expected.push((i64::from(*whole), source, target, time));
        }
        expected.sort_by_key(|(whole, ..)| *whole);
        let scale = list.iter().map(|(.., zeros)| *zeros).max().unwrap();
        let contacts = contacts(&text);
        prop_assert_eq!(usize::from(contacts.scale()), scale);
        prop_assert_eq!(contacts.list().len(), expected.len());
        for (index, (whole, source, target, time)) in (0u32..).zip(&expected) {
            let contact = contacts.list()[index as usize];
            prop_assert_eq!(contact.time, whole * 10i64.pow(scale as u32));
            prop_assert_eq!(contacts.name(contact.source), Some(*source));
            prop_assert_eq!(contacts.name(contact.target), Some(*target));
            prop_assert_eq!(contacts.time_text(index), time);
        }
    }
}

/// The contacts as a new file, in time order and with the times as they were written.
fn rewrite(contacts: &Contacts) -> String {
    let line = |(index, contact): (u32, &Contact)| {
        let name = |person| contacts.name(person).unwrap();
        let time = contacts.time_text(index);
        format!("{}\t{}\t{time}\n", name(contact.source), name(contact.target))
    };
    // A comment first: otherwise a name that begins with a byte-order mark would lose it.
    let lines = (0u32..).zip(contacts.list()).map(line);
    "#\n".to_owned() + &lines.collect::<String>()
}
