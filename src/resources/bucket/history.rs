//! What was done to the settings of buckets with the configured provider, so that one object does not undo another.
//!
//! An object that gets another address without a `moved` block, such as a renamed key of `for_each`, is created at the
//! new address and destroyed at the old one in the same run, in any order; so is one that is replaced with
//! `create_before_destroy`. Both are the one setting of the bucket. If the create comes first, it finds the setting in
//! place, and the delete would leave the bucket without it although the run succeeds. If the delete comes first, the
//! create may still read the deleted setting, because OSS is eventually consistent.
//!
//! Terraform configures a provider for each run, so what is recorded here ends with the run. Another provider
//! configuration runs in a process of its own, with a history of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::oss::BucketName;
use crate::tfplugin::ObjectId;

/// What was done last to a setting of a bucket.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum LastChange {
    /// Nothing so far.
    #[default]
    None,
    /// It was set, or found as it should be, for this object; also if OSS may have set it.
    Set(ObjectId),
    /// It was deleted; also if OSS may have deleted it.
    Deleted,
}

type Setting = (&'static str, BucketName);

/// The last change of each setting, with a lock for each.
#[derive(Debug, Default)]
pub struct History(Mutex<HashMap<Setting, Arc<tokio::sync::Mutex<LastChange>>>>);

impl History {
    /// Waits until no other operation changes this setting.
    pub async fn lock(
        &self,
        setting: &'static str,
        bucket: &BucketName,
    ) -> OwnedMutexGuard<LastChange> {
        let last_change = {
            let mut settings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(settings.entry((setting, bucket.clone())).or_default())
        };
        last_change.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_setting_is_locked_for_its_bucket_only() {
        let history = History::default();
        let [one, other] = ["bucket-1", "bucket-2"].map(|name| BucketName::parse(name).unwrap());
        let lock = |setting, bucket| history.lock(setting, bucket).now_or_never();
        let mut held = lock("encryption", &one).unwrap();
        *held = LastChange::Deleted;
        assert!(lock("encryption", &one).is_none());
        assert_eq!(*lock("encryption", &other).unwrap(), LastChange::None);
        assert_eq!(*lock("versioning", &one).unwrap(), LastChange::None);
        drop(held);
        assert_eq!(*lock("encryption", &one).unwrap(), LastChange::Deleted);
    }
}
