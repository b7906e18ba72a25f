//! Where a run's files lie.

use crate::failure::{Failure, Outcome};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// A folder of its own for a run's files, removed with it.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one in the system's folder for temporary files.
    pub fn named(name: &str) -> Outcome<Self> {
        let path = std::env::temp_dir().join(format!("plumb-bench-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).map_err(|error| broken(path.display().to_string(), error))?;
        Ok(Self(path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a file in it.
    pub fn create(&self, name: &str) -> Outcome<File> {
        File::create(self.file(name)).map_err(|error| broken(name.to_owned(), error))
    }

    /// The text of a file in it.
    pub fn lines(&self, name: &str) -> Outcome<BufReader<File>> {
        Ok(BufReader::new(File::open(self.file(name)).map_err(|error| broken(name.to_owned(), error))?))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the bench cannot use, and why.
pub fn broken(what: String, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::failed(format!("the bench cannot use {what}")).because(error)
}
