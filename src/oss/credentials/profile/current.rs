//! Which profile of a file is the current one: decided once, so that a run never uses two accounts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::ProfileFile;

/// The profile that was current when each file was first read. Another program may switch it in the middle of
/// a run. What is in the profile may change: that is read at each refresh.
#[derive(Debug, Default)]
pub(in crate::oss) struct CurrentProfiles(Mutex<BTreeMap<PathBuf, String>>);

impl CurrentProfiles {
    /// The current profile of a file; `None` if it marks none.
    pub(in crate::oss::credentials) fn of(
        &self,
        path: &Path,
        file: &ProfileFile,
    ) -> Option<String> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get(path) {
            return Some(name.clone());
        }
        let name = file.current().filter(|name| !name.is_empty())?;
        names.insert(path.to_owned(), name.to_owned());
        Some(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_current_profile_of_a_file_stays() {
        let current = CurrentProfiles::default();
        let of = |path: &str, name: &str| {
            let file = ProfileFile::parse(format!(r#"{{"current":"{name}"}}"#).as_bytes(), None);
            let file = file.unwrap();
            current.of(Path::new(path), &file)
        };
        assert_eq!(of("/a", ""), None, "none is marked yet");
        assert_eq!(of("/a", "one").as_deref(), Some("one"));
        assert_eq!(of("/a", "two").as_deref(), Some("one"));
        assert_eq!(of("/a", "").as_deref(), Some("one"));
        assert_eq!(of("/b", "two").as_deref(), Some("two"));
    }
}
