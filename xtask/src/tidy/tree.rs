//! The text of the checkout, read once; rules see nothing else, so tests can make a tree of their own.

use std::{collections::BTreeMap, fs, path::Path};

use crate::failure::{Attempt as _, Failure};

/// Larger files are data, not text that people read.
const LARGEST_TEXT: u64 = 1 << 20;

/// Folders that hold nothing of ours.
const SKIPPED: &[&str] = &["target", "node_modules", "__pycache__"];

/// Hidden folders that are ours.
const HIDDEN: &[&str] = &[".ci", ".cargo", ".config", ".github"];

/// Relative path with forward slashes to text, and the paths of everything else.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) texts: BTreeMap<String, String>,
    /// Files that are not text, and folders: links may point at them.
    pub(super) others: Vec<String>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self, Failure> {
        let mut tree = Self::default();
        tree.walk(root, "")?;
        Ok(tree)
    }

    fn walk(&mut self, folder: &Path, prefix: &str) -> Result<(), Failure> {
        let say = || format!("could not read {}", folder.display());
        for entry in fs::read_dir(folder).attempt(say)? {
            let entry = entry.attempt(say)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().attempt(say)?;
            if kind.is_dir() {
                let hidden = name.starts_with('.') && !HIDDEN.contains(&name.as_str());
                if !hidden && !SKIPPED.contains(&name.as_str()) {
                    self.walk(&entry.path(), &format!("{path}/"))?;
                    self.others.push(path);
                }
            } else if kind.is_file() {
                self.add(&entry.path(), path)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, file: &Path, path: String) -> Result<(), Failure> {
        let say = || format!("could not read {}", file.display());
        let large = fs::metadata(file).attempt(say)?.len() > LARGEST_TEXT;
        let text = if large { None } else { String::from_utf8(fs::read(file).attempt(say)?).ok() };
        match text {
            Some(text) => drop(self.texts.insert(path, text)),
            None => self.others.push(path),
        }
        Ok(())
    }

    /// The texts whose path ends so, in path order.
    pub(super) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts
            .iter()
            .filter(move |(path, _)| path.ends_with(end))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub(super) fn holds(&self, path: &str) -> bool {
        self.texts.contains_key(path) || self.others.iter().any(|other| other == path)
    }
}
