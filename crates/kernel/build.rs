//! Compiles every `*.bpf.c` under `src/` into a skeleton, and one types-only object from which all wire types come.
//!
//! Probes are found by walking the tree: adding one needs no edit here.

use libbpf_cargo::SkeletonBuilder;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let shared = fs::canonicalize(Path::new("../../bpf"))?;
    let mut sources = Vec::new();
    walk(Path::new("src"), &mut sources)?;
    sources.sort();
    println!("cargo:rerun-if-changed={}", shared.display());
    println!("cargo:rerun-if-changed=src");

    let probes = sources.iter().filter(|path| name_of(path).ends_with(".bpf.c"));
    for probe in probes {
        let stem = name_of(probe).trim_end_matches(".bpf.c").to_owned();
        build(probe, &out.join(format!("{stem}.skel.rs")), &shared)?;
    }

    let mut headers = vec![
        shared.join("wire.h"),
        shared.join("capture.h"),
        shared.join("hist.h"),
        shared.join("others.h"),
        shared.join("tunnel.bpf.h"),
    ];
    headers.extend(sources.iter().filter(|path| is_wire_header(path)).cloned());
    let types = out.join("wire.bpf.c");
    fs::write(&types, types_only(&headers)?)?;
    build(&types, &out.join("wire.skel.rs"), &shared)
}

fn build(source: &Path, skeleton: &Path, shared: &Path) -> Result<()> {
    SkeletonBuilder::new()
        .source(source)
        .obj(skeleton.with_extension("o"))
        .clang_args(clang_args(source, shared)?)
        .build_and_generate(skeleton)
        .map_err(|error| format!("{}: {error:?}", source.display()).into())
}

/// v3 of the instruction set is what every kernel since 5.1 accepts; newer clangs default to more. Keys and entries are
/// compared, hashed and cleared by words, which C's rules of aliasing let a compiler ignore: as the kernel's own build, ours
/// does without them.
fn clang_args(source: &Path, shared: &Path) -> Result<Vec<OsString>> {
    let mut args: Vec<OsString> =
        ["-Wall", "-Werror", "-mcpu=v3", "-fno-strict-aliasing"].map(OsString::from).into();
    let beside = fs::canonicalize(source.parent().ok_or("a source without a folder")?)?;
    for folder in [shared, &beside] {
        args.push("-I".into());
        args.push(folder.into());
    }
    // Debian keeps <asm/types.h> in a folder per architecture, which clang leaves out for the bpf target.
    let multiarch = format!("/usr/include/{}-linux-gnu", env::var("CARGO_CFG_TARGET_ARCH")?);
    if Path::new(&multiarch).is_dir() {
        args.push("-idirafter".into());
        args.push(multiarch.into());
    }
    Ok(args)
}

/// A source that includes every header with types that cross the boundary and anchors each of them by a pointer,
/// because a struct used only behind a ring pointer is not among the types that clang writes.
fn types_only(headers: &[PathBuf]) -> Result<String> {
    let mut source =
        String::from("// Made by build.rs: never loaded, it only carries types.\n#include \"kernel.h\"\n");
    let mut anchors = String::new();
    for header in headers {
        let header = fs::canonicalize(header)?;
        source += &format!("#include \"{}\"\n", header.display());
        for line in fs::read_to_string(&header)?.lines() {
            if let Some(definition) =
                line.strip_suffix(" {").or_else(|| line.split_once(" { /*").map(|(d, _)| d))
                && let Some((keyword @ ("struct" | "enum"), name)) = definition.split_once(' ')
            {
                anchors += &format!("const {keyword} {name} *const anchor_{name} __attribute__((used));\n");
            }
        }
    }
    Ok(source + &anchors)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

fn is_wire_header(path: &Path) -> bool {
    name_of(path).ends_with(".h") && !name_of(path).ends_with(".bpf.h")
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
