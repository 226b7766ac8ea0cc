//! The files in memory of an entry point, against a map: the same is done to both, and both say the same.

use crate::input::Input;
use std::collections::BTreeMap;
use tree::{Files, FilesError, Node, normal};

/// The tree's own source: what WASI does with it is nobody's but its crate's.
#[path = "../../../../host/coffer-host/src/entry_point/files.rs"]
#[expect(unreachable_pub, reason = "it is taken in to be fed")]
mod tree;

/// Bytes of all files together.
const BYTES_MAX: usize = 64 << 20;

/// What is where; a directory has no bytes. The root is not among them.
type Model = BTreeMap<Vec<String>, Option<Vec<u8>>>;

pub(crate) fn files(data: &[u8]) {
    let mut input = Input::new(data);
    let mut files = Files::new();
    let mut model = Model::new();
    while !input.is_empty() {
        step(&mut files, &mut model, &mut input);
        same(&files, &model);
    }
}

fn step(files: &mut Files, model: &mut Model, input: &mut Input<'_>) {
    let kind = input.byte();
    let path = input.text();
    let model_path = steps(&path);
    let normal_path = normal("", &path);
    assert_eq!(normal_path.clone().ok(), model_path.as_ref().ok().map(|steps| steps.join("/")));
    match kind % 8 {
        0 => {
            let bytes = input.bytes().to_vec();
            let expected = model_path.and_then(|path| model_put(model, &path, &bytes));
            assert_eq!(files.put(&path, bytes), expected, "put {path:?}");
        }
        1 => {
            let expected = model_path.and_then(|path| model_directories(model, &path));
            assert_eq!(files.make_directories(&path), expected, "make directories {path:?}");
        }
        2 => {
            let expected = model_path.ok().and_then(|path| {
                let bytes = model.get(&path).cloned().flatten();
                bytes.inspect(|_| drop(model.remove(&path)))
            });
            assert_eq!(files.take(&path).map(|bytes| bytes.to_vec()), expected, "take {path:?}");
        }
        // What follows is asked for with a path that WASI has made normal.
        kind => {
            let (Ok(path), Ok(steps_)) = (normal_path, model_path) else { return };
            match kind {
                3 => {
                    let expected = model_make_directory(model, &steps_);
                    assert_eq!(files.make_directory(&path), expected, "make directory {path:?}");
                }
                4 => {
                    let expected = match at(model, &steps_) {
                        Some(None) => Err(FilesError::IsDirectory),
                        None => Err(FilesError::NotFound),
                        Some(Some(_)) => {
                            model.remove(&steps_).map(|_| ()).ok_or(FilesError::NotFound)
                        }
                    };
                    assert_eq!(files.remove_file(&path), expected, "remove {path:?}");
                }
                5 => {
                    let inside = |other: &Vec<String>| {
                        other.len() > steps_.len() && other.starts_with(&steps_)
                    };
                    let expected = match at(model, &steps_) {
                        Some(Some(_)) => Err(FilesError::NotDirectory),
                        None => Err(FilesError::NotFound),
                        Some(None) if steps_.is_empty() || model.keys().any(inside) => {
                            Err(FilesError::NotEmpty)
                        }
                        Some(None) => model.remove(&steps_).map(|_| ()).ok_or(FilesError::NotFound),
                    };
                    let removed = files.remove_directory(&path);
                    assert_eq!(removed, expected, "remove directory {path:?}");
                }
                6 => {
                    let to = input.text();
                    let (Ok(to), Ok(to_steps)) = (normal("", &to), steps(&to)) else { return };
                    let expected = model_rename(model, &steps_, &to_steps);
                    assert_eq!(files.rename(&path, &to), expected, "rename {path:?} {to:?}");
                }
                _ => {
                    let expected = model_create(model, &steps_);
                    let created = files.create(&path).map(|file| file.bytes().to_vec());
                    assert_eq!(created, expected, "create {path:?}");
                }
            }
        }
    }
}

/// Where a path leads, step by step.
fn steps(path: &str) -> Result<Vec<String>, FilesError> {
    if path.len() > 4096 || path.contains('\0') {
        return Err(FilesError::Outside);
    }
    let mut steps: Vec<String> = Vec::new();
    for step in path.split('/') {
        if step == ".." {
            steps.pop().ok_or(FilesError::Outside)?;
        } else if !step.is_empty() && step != "." {
            steps.push(step.to_owned());
        }
    }
    Ok(steps)
}

fn at<'m>(model: &'m Model, path: &[String]) -> Option<&'m Option<Vec<u8>>> {
    if path.is_empty() { Some(&None) } else { model.get(path) }
}

fn model_parent(model: &Model, path: &[String]) -> Result<(), FilesError> {
    match at(model, &path[..path.len().saturating_sub(1)]) {
        Some(None) => Ok(()),
        Some(Some(_)) => Err(FilesError::NotDirectory),
        None => Err(FilesError::NotFound),
    }
}

fn model_directories(model: &mut Model, path: &[String]) -> Result<(), FilesError> {
    for end in 1..=path.len() {
        match at(model, &path[..end]) {
            Some(None) => {}
            Some(Some(_)) => return Err(FilesError::NotDirectory),
            None => drop(model.insert(path[..end].to_vec(), None)),
        }
    }
    Ok(())
}

fn model_create(model: &mut Model, path: &[String]) -> Result<Vec<u8>, FilesError> {
    match at(model, path) {
        Some(None) => Err(FilesError::IsDirectory),
        Some(Some(bytes)) => Ok(bytes.clone()),
        None => {
            model_parent(model, path)?;
            model.insert(path.to_vec(), Some(Vec::new()));
            Ok(Vec::new())
        }
    }
}

fn model_put(model: &mut Model, path: &[String], bytes: &[u8]) -> Result<(), FilesError> {
    if let [parent @ .., _] = path {
        model_directories(model, parent)?;
    }
    model_create(model, path)?;
    model.insert(path.to_vec(), Some(bytes.to_vec()));
    Ok(())
}

fn model_make_directory(model: &mut Model, path: &[String]) -> Result<(), FilesError> {
    if at(model, path).is_some() {
        return Err(FilesError::Exists);
    }
    model_parent(model, path)?;
    model.insert(path.to_vec(), None);
    Ok(())
}

fn model_rename(model: &mut Model, from: &[String], to: &[String]) -> Result<(), FilesError> {
    let bytes = match at(model, from) {
        None => return Err(FilesError::NotFound),
        Some(None) => return Err(FilesError::IsDirectory),
        Some(Some(bytes)) => bytes.clone(),
    };
    if from == to {
        return Ok(());
    }
    if at(model, to) == Some(&None) {
        return Err(FilesError::IsDirectory);
    }
    model_parent(model, to)?;
    model.remove(from);
    model.insert(to.to_vec(), Some(bytes));
    Ok(())
}

fn same(files: &Files, model: &Model) {
    let bytes: usize = model.values().flatten().map(Vec::len).sum();
    assert!(files.has_room(BYTES_MAX - bytes), "{bytes}");
    assert!(!files.has_room(BYTES_MAX - bytes + 1), "{bytes}");
    let directories = model.iter().filter(|(_, bytes)| bytes.is_none()).map(|(path, _)| path);
    for directory in directories.chain([&Vec::new()]) {
        let inside: BTreeMap<&str, Option<&[u8]>> = model
            .iter()
            .filter_map(|(path, bytes)| match path.split_last() {
                Some((name, parent)) if parent == directory => {
                    Some((name.as_str(), bytes.as_deref()))
                }
                Some(_) | None => None,
            })
            .collect();
        let entries = files.entries(&directory.join("/"));
        assert_eq!(entries.len(), inside.len(), "{directory:?}");
        for (name, node) in entries {
            match node {
                Node::Directory => assert_eq!(inside[name.as_str()], None, "{name:?}"),
                Node::File(file) => {
                    assert!(file.is_same(&file));
                    assert_eq!(inside[name.as_str()], Some(file.bytes().as_slice()), "{name:?}");
                }
            }
        }
    }
}
