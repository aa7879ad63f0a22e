//! The settings that were created with the configured provider, so that it does not delete them for another object.
//!
//! An object that gets another address without a `moved` block, such as a renamed key of `for_each`, is created at the
//! new address and destroyed at the old one in the same run, in any order; so is one that is replaced with
//! `create_before_destroy`. Both are the one setting of the bucket. If the create comes first, it finds the setting in
//! place, and the delete would leave the bucket without it although the run succeeds.
//!
//! Terraform configures a provider for each run, so what is recorded here ends with the run, or in `terraform test` with the
//! tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::oss::BucketName;
use crate::tfplugin::ObjectId;

/// The object that was created; none before that and after its deletion.
type Created = Arc<tokio::sync::Mutex<Option<ObjectId>>>;

/// Which settings of which buckets were created, with a lock for each.
#[derive(Debug, Default)]
pub struct CreatedSettings(Mutex<HashMap<(&'static str, BucketName), Created>>);

impl CreatedSettings {
    /// Waits until no other operation creates or deletes this setting. The value is the object that was created.
    pub async fn lock(
        &self,
        setting: &'static str,
        bucket: &BucketName,
    ) -> OwnedMutexGuard<Option<ObjectId>> {
        let created = {
            let mut settings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(settings.entry((setting, bucket.clone())).or_default())
        };
        created.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_setting_is_locked_for_its_bucket_only() {
        let settings = CreatedSettings::default();
        let [one, other] = ["bucket-1", "bucket-2"].map(|name| BucketName::parse(name).unwrap());
        let lock = |setting, bucket| settings.lock(setting, bucket).now_or_never();
        let mut held = lock("encryption", &one).unwrap();
        *held = Some(ObjectId::default());
        assert!(lock("encryption", &one).is_none());
        assert_eq!(*lock("encryption", &other).unwrap(), None);
        assert_eq!(*lock("versioning", &one).unwrap(), None);
        drop(held);
        assert!(lock("encryption", &one).unwrap().is_some());
    }
}
