//! A tree of files in memory. What a file held is overwritten with zeros when it goes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use zeroize::Zeroizing;

/// Bytes of all files together. A bundle's parameters and outputs are kilobytes.
const BYTES_MAX: usize = 64 << 20;

/// Files and directories.
const NODES_MAX: usize = 10_000;

/// Bytes of a path.
const PATH_BYTES_MAX: usize = 4096;

/// Why something did not work with the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// There is something of this name.
    #[error("there is something of this name already")]
    Exists,
    /// There is no more room.
    #[error("the files in memory have no more room")]
    Full,
    /// The path leads out of the tree.
    #[error("the path leads out of the tree")]
    Outside,
    /// It is a directory and a file was wanted.
    #[error("it is a directory")]
    IsDirectory,
    /// It is a file and a directory was wanted.
    #[error("it is not a directory")]
    NotDirectory,
    /// The directory has something in it.
    #[error("the directory is not empty")]
    NotEmpty,
    /// There is nothing of this name.
    #[error("there is no such file")]
    NotFound,
}

/// A tree of files in memory. Paths are absolute; `/cnab/app` and `cnab/app` are the same.
#[derive(Default)]
pub struct Files {
    /// By path without the leading `/`. The root is not among them; every parent is.
    nodes: BTreeMap<String, Node>,
    /// Files that were removed and may still be open: they have no name, and they have bytes.
    removed: Vec<Weak<Content>>,
}

#[derive(Clone)]
pub(super) enum Node {
    Directory,
    File(File),
}

/// A file's bytes, which live as long as somebody has the file open.
#[derive(Clone, Default)]
pub(super) struct File(Arc<Content>);

type Content = Mutex<Zeroizing<Vec<u8>>>;

impl File {
    pub(super) fn bytes(&self) -> MutexGuard<'_, Zeroizing<Vec<u8>>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Files {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file at `path`, in the place of another one, and makes the directories above it.
    ///
    /// # Errors
    ///
    /// [`FilesError`] if the path leads outside, goes through a file, is a directory, or there is no room.
    pub fn put(&mut self, path: &str, bytes: Vec<u8>) -> Result<(), FilesError> {
        let path = normal("", path)?;
        if self.bytes() + bytes.len() > BYTES_MAX {
            return Err(FilesError::Full);
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.make_directories(parent)?;
        }
        let file = self.create(&path)?;
        *file.bytes() = Zeroizing::new(bytes);
        Ok(())
    }

    /// Makes the directory `path` and those above it.
    ///
    /// # Errors
    ///
    /// [`FilesError`] if the path leads outside, goes through a file, or there is no room.
    pub fn make_directories(&mut self, path: &str) -> Result<(), FilesError> {
        let path = normal("", path)?;
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends.collect::<Vec<_>>() {
            match self.node(&path[..end]) {
                Ok(Node::Directory) => {}
                Ok(Node::File(_)) => return Err(FilesError::NotDirectory),
                Err(_) => self.insert(path[..end].to_owned(), Node::Directory)?,
            }
        }
        Ok(())
    }

    /// Takes the file at `path` out, if there is one.
    pub fn take(&mut self, path: &str) -> Option<Zeroizing<Vec<u8>>> {
        let path = normal("", path).ok()?;
        let Some(Node::File(_)) = self.nodes.get(&path) else { return None };
        let Some(Node::File(file)) = self.nodes.remove(&path) else { return None };
        Some(std::mem::take(&mut *file.bytes()))
    }

    /// Bytes of every file that can be read, whether it still has a name or not.
    fn bytes(&self) -> usize {
        let removed = self.removed.iter().filter_map(Weak::upgrade).map(File);
        let named = self.nodes.values().filter_map(|node| match node {
            Node::Directory => None,
            Node::File(file) => Some(file.clone()),
        });
        named.chain(removed).map(|file| file.bytes().len()).sum()
    }

    /// Whether a file may grow by `more` bytes.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.bytes().saturating_add(more) <= BYTES_MAX
    }

    /// What is at `path`, which is normal.
    pub(super) fn node(&self, path: &str) -> Result<Node, FilesError> {
        if path.is_empty() {
            return Ok(Node::Directory);
        }
        self.nodes.get(path).cloned().ok_or(FilesError::NotFound)
    }

    /// The file at `path`, made if there is none. Its directory must be there.
    pub(super) fn create(&mut self, path: &str) -> Result<File, FilesError> {
        match self.node(path) {
            Ok(Node::Directory) => return Err(FilesError::IsDirectory),
            Ok(Node::File(file)) => return Ok(file),
            Err(_) => {}
        }
        self.check_parent(path)?;
        let file = File::default();
        self.insert(path.to_owned(), Node::File(file.clone()))?;
        Ok(file)
    }

    pub(super) fn make_directory(&mut self, path: &str) -> Result<(), FilesError> {
        if self.node(path).is_ok() {
            return Err(FilesError::Exists);
        }
        self.check_parent(path)?;
        self.insert(path.to_owned(), Node::Directory)
    }

    pub(super) fn remove_file(&mut self, path: &str) -> Result<(), FilesError> {
        match self.node(path)? {
            Node::Directory => Err(FilesError::IsDirectory),
            Node::File(file) => {
                self.nodes.remove(path);
                self.forget(&file);
                Ok(())
            }
        }
    }

    /// Keeps an eye on a file that has no name any more.
    fn forget(&mut self, file: &File) {
        self.removed.retain(|file| file.strong_count() > 0);
        self.removed.push(Arc::downgrade(&file.0));
    }

    pub(super) fn remove_directory(&mut self, path: &str) -> Result<(), FilesError> {
        match self.node(path)? {
            Node::File(_) => Err(FilesError::NotDirectory),
            Node::Directory if path.is_empty() || !self.entries(path).is_empty() => {
                Err(FilesError::NotEmpty)
            }
            Node::Directory => {
                self.nodes.remove(path);
                Ok(())
            }
        }
    }

    /// Moves a file. Directories stay where they are.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), FilesError> {
        let Node::File(file) = self.node(from)? else { return Err(FilesError::IsDirectory) };
        let replaced = match self.node(to) {
            Ok(Node::Directory) => return Err(FilesError::IsDirectory),
            Ok(Node::File(other)) if other.is_same(&file) => return Ok(()),
            Ok(Node::File(other)) => Some(other),
            Err(_) => None,
        };
        self.check_parent(to)?;
        self.nodes.remove(from);
        if let Some(replaced) = replaced {
            self.forget(&replaced);
        }
        self.insert(to.to_owned(), Node::File(file))
    }

    /// The names in the directory `path`, and what they are.
    pub(super) fn entries(&self, path: &str) -> Vec<(String, Node)> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.nodes
            .range(prefix.clone()..)
            .take_while(|(candidate, _)| candidate.starts_with(&prefix))
            .filter_map(|(candidate, node)| {
                let name = &candidate[prefix.len()..];
                (!name.contains('/')).then(|| (name.to_owned(), node.clone()))
            })
            .collect()
    }

    fn check_parent(&self, path: &str) -> Result<(), FilesError> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        match self.node(parent)? {
            Node::Directory => Ok(()),
            Node::File(_) => Err(FilesError::NotDirectory),
        }
    }

    fn insert(&mut self, path: String, node: Node) -> Result<(), FilesError> {
        if self.nodes.len() >= NODES_MAX {
            return Err(FilesError::Full);
        }
        self.nodes.insert(path, node);
        Ok(())
    }
}

/// Shows how many there are.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files({})", self.nodes.len())
    }
}

/// `path` below `directory` (itself normal), without `.`, `..` and empty segments.
pub(super) fn normal(directory: &str, path: &str) -> Result<String, FilesError> {
    if directory.len() + path.len() > PATH_BYTES_MAX || path.contains('\0') {
        return Err(FilesError::Outside);
    }
    let mut segments: Vec<&str> =
        directory.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop().ok_or(FilesError::Outside)?;
            }
            name => segments.push(name),
        }
    }
    Ok(segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_form_and_stay_inside() {
        let check = |directory: &str, path: &str, expected: Result<&str, FilesError>| {
            let actual = normal(directory, path);
            assert_eq!(actual.as_deref().map_err(|error| *error), expected, "{directory} {path}");
        };
        check("", "/cnab/app", Ok("cnab/app"));
        check("", "cnab//./app/", Ok("cnab/app"));
        check("cnab", "app/../x", Ok("cnab/x"));
        check("cnab", "..", Ok(""));
        check("cnab", "../..", Err(FilesError::Outside));
        check("", "..", Err(FilesError::Outside));
        check("", "a\0b", Err(FilesError::Outside));
        check("", &"a".repeat(PATH_BYTES_MAX + 1), Err(FilesError::Outside));
    }

    #[test]
    fn files_come_and_go() {
        let mut files = Files::new();
        files.put("/cnab/app/a", b"1".to_vec()).unwrap();
        files.put("/cnab/app/a", b"2".to_vec()).unwrap();
        assert_eq!(files.put("/cnab/app", vec![]), Err(FilesError::IsDirectory));
        assert_eq!(files.put("/cnab/app/a/b", vec![]), Err(FilesError::NotDirectory));
        assert_eq!(files.put("/../x", vec![]), Err(FilesError::Outside));
        assert_eq!(files.put("/big", vec![0; BYTES_MAX + 1]), Err(FilesError::Full));
        files.rename("cnab/app/a", "cnab/b").unwrap();
        assert_eq!(files.rename("cnab/app/a", "cnab/b"), Err(FilesError::NotFound));
        assert_eq!(files.rename("cnab/b", "cnab/app"), Err(FilesError::IsDirectory));
        assert_eq!(files.rename("cnab/b", "nowhere/b"), Err(FilesError::NotFound));
        assert_eq!(files.remove_directory("cnab"), Err(FilesError::NotEmpty));
        files.remove_directory("cnab/app").unwrap();
        let names: Vec<_> = files.entries("cnab").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b"]);
        assert_eq!(files.take("/cnab/b").as_deref(), Some(&b"2".to_vec()));
        assert!(files.take("/cnab/b").is_none());
        assert!(files.take("/cnab").is_none());
    }

    /// A file that is open and has no name takes room, until it is closed.
    #[test]
    fn removed_files_count_while_they_are_open() {
        let mut files = Files::new();
        let half = BYTES_MAX / 2;
        files.put("removed", vec![0; half]).unwrap();
        files.put("replaced", vec![0; half]).unwrap();
        let Ok(Node::File(removed)) = files.node("removed") else { panic!("it is a file") };
        let Ok(Node::File(replaced)) = files.node("replaced") else { panic!("it is a file") };
        files.rename("replaced", "replaced").unwrap();
        files.remove_file("removed").unwrap();
        assert!(!files.has_room(1));
        drop(removed);
        assert!(files.has_room(half) && !files.has_room(half + 1));
        files.put("empty", vec![]).unwrap();
        files.rename("empty", "replaced").unwrap();
        assert!(!files.has_room(half + 1));
        drop(replaced);
        assert!(files.has_room(BYTES_MAX));
    }

    #[test]
    fn there_is_an_end_to_files() {
        let mut files = Files::new();
        for index in 0..NODES_MAX {
            files.put(&index.to_string(), vec![]).unwrap();
        }
        assert_eq!(files.put("more", vec![]), Err(FilesError::Full));
    }
}
