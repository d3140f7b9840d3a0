//! A strict reader of the part of OpenMetrics 1.0 that is used here.

use std::collections::BTreeMap;

/// Samples by name and labels, as they stand.
pub type Samples = BTreeMap<String, f64>;

const TYPES: [(&str, &[&str]); 4] = [
    ("counter", &["_total"]),
    ("gauge", &[""]),
    ("info", &["_info"]),
    ("histogram", &["_sum", "_count", "_bucket"]),
];

/// Reads a whole text.
///
/// # Panics
/// If it is not as it should be.
pub fn read(text: &str) -> Samples {
    let body = text.strip_suffix("# EOF\n").expect("it ends with EOF");
    assert!(!body.contains("# EOF") && !body.contains('\r'));
    let mut samples = Samples::new();
    let (mut family, mut kind) = (String::new(), "");
    let mut families = Vec::new();
    for line in body.split_terminator('\n') {
        if let Some(meta) = line.strip_prefix("# ") {
            let mut words = meta.splitn(3, ' ');
            let (what, name, rest) =
                (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            match what {
                "HELP" => {
                    assert!(!families.contains(&name.to_owned()), "{name} comes twice");
                    assert!(is_name(name) && name.starts_with("karyon_"), "{line}");
                    families.push(name.into());
                    family = name.into();
                    assert!(!rest.is_empty(), "{line}");
                }
                "TYPE" => {
                    assert_eq!(name, family, "{line}");
                    kind = TYPES.iter().find(|(known, _)| *known == rest).expect(line).0;
                }
                "UNIT" => assert!(name == family && name.ends_with(&format!("_{rest}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
            None => (series, ""),
        };
        labels.split(',').filter(|label| !label.is_empty()).for_each(|label| {
            let (key, text) = label.split_once('=').expect(line);
            assert!(is_name(key), "{line}");
            let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            assert!(!text.expect(line).contains(['"', '\\']), "{line}");
        });
        let suffix = name.strip_prefix(family.as_str()).expect(line);
        let (_, suffixes) = TYPES.iter().find(|(known, _)| *known == kind).unwrap();
        assert!(suffixes.contains(&suffix), "{line}");
        let value: f64 = value.parse().expect(line);
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert!(samples.insert(series.into(), value).is_none(), "{line} comes twice");
    }
    check_histograms(&samples);
    samples
}

fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// The last bucket holds all, and each holds those before it.
fn check_histograms(samples: &Samples) {
    for (name, count) in samples {
        let Some(family) = name.strip_suffix("_count") else { continue };
        let bucket = format!("{family}_bucket{{le=\"");
        let mut buckets: Vec<(f64, f64)> = samples
            .iter()
            .filter_map(|(name, held)| {
                let bound = name.strip_prefix(&bucket)?.strip_suffix("\"}").unwrap();
                Some((bound.replace("+Inf", "inf").parse().unwrap(), *held))
            })
            .collect();
        buckets.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{buckets:?}");
        assert_eq!(buckets.last().unwrap(), &(f64::INFINITY, *count), "{family}");
    }
}
