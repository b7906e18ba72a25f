//! A file that is written under another name until it is whole.

use crate::output;
use crate::spool::Target;
use crate::stream::{PATIENCE, Stream};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file in the making. Removed where it does not become whole, except by a process that is killed.
pub(crate) struct Temporary {
    stream: Stream<File>,
    name: PathBuf,
    whole: PathBuf,
    /// Whether it still has its temporary name.
    here: bool,
}

impl Temporary {
    /// Creates `.NAME.tmp` beside `whole`, with mode 0600. One that a killed process left is used again. Readers of
    /// directories pass over names with a dot in front, and over extensions that they do not know.
    pub(crate) fn beside(whole: &Path) -> io::Result<Self> {
        let mut name = OsString::from(".");
        name.push(whole.file_name().unwrap_or_default());
        name.push(".tmp");
        let name = whole.with_file_name(name);
        let stream = Stream::new(output::create(&name)?, None, PATIENCE)?;
        Ok(Self { stream, name, whole: whole.to_owned(), here: true })
    }
}

impl Write for Temporary {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.stream.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Target for Temporary {
    fn cut(&mut self, excess: u64) -> io::Result<()> {
        self.stream.cut(excess)
    }

    fn finish(&mut self) -> io::Result<()> {
        fs::rename(&self.name, &self.whole)?;
        self.here = false;
        Ok(())
    }

    fn abandon(&mut self) {
        if std::mem::take(&mut self.here) {
            // Its room is wanted on a full disk; nobody could read it.
            let _ = fs::remove_file(&self.name);
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        self.abandon();
    }
}
