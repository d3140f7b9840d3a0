//! `karyon new`: a crate with an agent kind of its own, that runs and is tested at once.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use toml::Value;

use crate::args::NewColony;
use crate::error::{CliError, Code};
use crate::output;

/// The longest name of a crate, bytes.
const NAME_BYTES_MAX: usize = 64;

/// What cargo builds from, but for the manifest: the workspace has the same crate, under this name.
const FILES: [(&str, &str); 3] = [
    ("src/lib.rs", include_str!("../../../karyon/first-colony/src/lib.rs")),
    ("src/main.rs", include_str!("../../../karyon/first-colony/src/main.rs")),
    ("tests/colony.rs", include_str!("../../../karyon/first-colony/tests/colony.rs")),
];
const TEMPLATE: &str = "demo";

/// What else is in its folder.
const IGNORED: &str = "/target\n/series.csv\n/series.svg\n";

/// Files of a checkout by which what is built is what Karyon is tested with.
const PINS: [&str; 2] = ["Cargo.lock", "rust-toolchain.toml"];

/// Names that mean something to Rust or to cargo.
const RESERVED: [&str; 50] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "type",
    "use",
];
/// Likewise, and names of what it depends on.
const TAKEN: [&str; 9] =
    ["unsafe", "where", "while", "yield", "try", "virtual", "serde", "karyon", "karyon-colony"];

/// Where the library comes from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// A checkout that a person named.
    Named(PathBuf),
    /// The one that this command was built in.
    Built(PathBuf),
    /// A repository.
    Repository(String),
}

pub(crate) fn execute(args: &NewColony) -> Result<Code, CliError> {
    check_name(&args.name)?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let source = source(args.path.as_deref(), &built, env!("CARGO_PKG_REPOSITORY"))?;
    let folder = Path::new(&args.name);
    let failed = |error: std::io::Error| {
        let error = CliError::failure(format!("{} cannot be made: {error}", folder.display()));
        error.with_hint("give a name under which there is nothing yet, where you may write")
    };
    fs::create_dir(folder).map_err(failed)?;
    for (file, text) in files(&args.name, &source)? {
        let path = folder.join(file);
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).map_err(failed)?;
        }
        fs::write(path, text).map_err(failed)?;
    }
    let (kind, place) = match &source {
        Source::Named(path) => ("path", path.display().to_string()),
        Source::Built(path) => ("built_in", path.display().to_string()),
        Source::Repository(url) => ("git", url.clone()),
    };
    if args.json {
        output::json(&json!({ "name": args.name, "karyon": { "from": kind, "place": place } }));
        return Ok(Code::Ok);
    }
    output::line(&format!("made     {}: an agent kind of its own, a run of it, tests", args.name));
    output::line(&match &source {
        Source::Named(_) => format!("karyon   {place}, as --path says"),
        Source::Built(_) => format!("karyon   {place}, the checkout this command was built in"),
        Source::Repository(_) => format!("karyon   {place}, from the network"),
    });
    output::line(&format!("next     cd {} && cargo run", args.name));
    Ok(Code::Ok)
}

fn check_name(name: &str) -> Result<(), CliError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    let why = if name.is_empty() || name.len() > NAME_BYTES_MAX {
        format!("it has {} bytes, and a name has 1 to {NAME_BYTES_MAX}", name.len())
    } else if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        "it begins with no letter from a to z".into()
    } else if let Some(other) = name.chars().find(|c| !is_plain(*c)) {
        format!("it holds {other:?}, and a name is of a-z 0-9 _ -")
    } else if RESERVED.contains(&name) || TAKEN.contains(&name) {
        "that name means something to Rust, to cargo or to Karyon".into()
    } else {
        return Ok(());
    };
    Err(CliError::failure(format!("{name:?} is no name of a crate: {why}"))
        .with_hint("give another, such as `karyon new my-colony`"))
}

/// Whether a folder is a checkout of Karyon.
fn checkout(folder: &Path) -> Option<PathBuf> {
    let is_one = ["organelles/karyon/Cargo.toml", "organelles/colony/Cargo.toml"];
    let is_one = is_one.iter().all(|file| folder.join(file).is_file());
    folder.canonicalize().ok().filter(|path| is_one && path.to_str().is_some())
}

fn source(given: Option<&Path>, built: &Path, repository: &str) -> Result<Source, CliError> {
    if let Some(given) = given {
        return checkout(given).map(Source::Named).ok_or_else(|| {
            let why = format!("{} is no checkout of Karyon", given.display());
            CliError::failure(why).with_hint("name the folder that holds `organelles/karyon`")
        });
    }
    match (checkout(built), repository) {
        (Some(path), _) => Ok(Source::Built(path)),
        (None, "") => {
            let why = "the checkout that this command was built in is not there any more";
            Err(CliError::failure(why)
                .with_hint("say where one is: karyon new NAME --path DIR-OF-KARYON"))
        }
        (None, url) => Ok(Source::Repository(url.into())),
    }
}

/// All files of a crate of this name.
fn files(name: &str, source: &Source) -> Result<Vec<(&'static str, String)>, CliError> {
    let mut files = vec![("Cargo.toml", manifest(name, source)), (".gitignore", IGNORED.into())];
    let library = name.replace('-', "_");
    for (file, text) in FILES {
        let text = text.replace(&format!("use {TEMPLATE}::"), &format!("use {library}::"));
        files.push((file, text.replace(&format!("\"{TEMPLATE}\""), &format!("\"{name}\""))));
    }
    if let Source::Named(path) | Source::Built(path) = source {
        for file in PINS {
            let text = fs::read_to_string(path.join(file)).map_err(|error| {
                CliError::failure(format!("{} cannot be read: {error}", path.join(file).display()))
            })?;
            files.push((file, text));
        }
    }
    Ok(files)
}

fn manifest(name: &str, source: &Source) -> String {
    let from = |folder: &str| match source {
        Source::Named(path) | Source::Built(path) => {
            let path = path.join(folder).to_string_lossy().into_owned();
            format!("path = {}", Value::String(path))
        }
        Source::Repository(url) => format!("git = {}", Value::String(url.clone())),
    };
    let (karyon, colony) = (from("organelles/karyon"), from("organelles/colony"));
    format!(
        "[package]
name = \"{name}\"
version = \"0.1.0\"
edition = \"2024\"
publish = false

[dependencies]
karyon = {{ {karyon} }}
karyon-colony = {{ {colony} }}
serde = {{ version = \"1.0\", features = [\"derive\"] }}

# It belongs to no workspace around it.
[workspace]

# Supervision rests on unwinding: never set panic = \"abort\".
[profile.dev]
opt-level = 1
debug = \"line-tables-only\"

[profile.dev.package.ed25519-compact]
opt-level = 3
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_are_told_why() {
        let long = "a".repeat(65);
        for (name, why) in [
            ("", "it has 0 bytes"),
            (long.as_str(), "it has 65 bytes"),
            ("9lives", "it begins with no letter"),
            ("Demo", "it begins with no letter"),
            ("a b", "it holds ' '"),
            ("a/b", "it holds '/'"),
            ("dämo", "it holds 'ä'"),
            ("fn", "means something to Rust"),
            ("test", "means something to Rust"),
            ("karyon", "means something to Rust, to cargo or to Karyon"),
        ] {
            let error = check_name(name).unwrap_err().message;
            assert!(error.contains(why), "{name}: {error}");
        }
        for name in ["demo", "my-colony", "a", "a_9"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_library_is_taken_from_where_it_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let gone = Path::new("/nowhere");
        let url = "https://example.org/karyon";
        assert_eq!(source(Some(&root), gone, "").unwrap(), Source::Named(root.clone()));
        assert!(source(Some(gone), &root, url).unwrap_err().message.contains("no checkout"));
        assert_eq!(source(None, &root, url).unwrap(), Source::Built(root));
        assert_eq!(source(None, gone, url).unwrap(), Source::Repository(url.into()));
        let error = source(None, gone, "").unwrap_err();
        assert!(error.hint.unwrap().contains("--path"), "{}", error.message);
        let manifest: toml::Table = manifest("x", &Source::Repository(url.into())).parse().unwrap();
        assert_eq!(manifest["dependencies"]["karyon"]["git"].as_str(), Some(url));
    }

    #[test]
    fn a_name_stands_wherever_the_templates_stood() {
        let files = files("my-colony", &Source::Repository("u".into())).unwrap();
        assert_eq!(files.len(), 2 + FILES.len());
        for (file, text) in &files {
            assert!(!text.contains(TEMPLATE), "{file}: {text}");
        }
        let text = |wanted| &files.iter().find(|(file, _)| *file == wanted).unwrap().1;
        assert!(text("tests/colony.rs").contains("use my_colony::{"));
        assert!(text("src/lib.rs").contains("Run::new(\"my-colony\")"));
    }
}
