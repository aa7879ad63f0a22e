//! The buckets, their rules and their objects, in memory.

use std::collections::BTreeMap;

use super::error::ServiceError;
use super::object::Object;
use super::rule::EncryptionRule;

/// All buckets by name.
#[derive(Debug, Default)]
pub(super) struct Store {
    buckets: BTreeMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    region: String,
    rule: Option<EncryptionRule>,
    stale: Option<StaleReads>,
    objects: BTreeMap<String, Object>,
}

/// The rule that reads still return after a write: OSS is eventually consistent (the SDKs' live tests
/// wait one to five seconds after a put or delete).
#[derive(Debug)]
struct StaleReads {
    rule: Option<EncryptionRule>,
    remaining: u32,
}

impl Store {
    /// The region of a bucket, if it exists.
    pub(super) fn region(&self, bucket: &str) -> Option<&str> {
        self.buckets.get(bucket).map(|bucket| bucket.region.as_str())
    }

    /// Name and region of every bucket, sorted by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.buckets.iter().map(|(name, bucket)| (name.as_str(), bucket.region.as_str()))
    }

    /// The actual rule, even while reads are stale.
    pub(super) fn rule(&self, bucket: &str) -> Option<&EncryptionRule> {
        self.buckets.get(bucket)?.rule.as_ref()
    }

    /// Creates a bucket. An existing bucket is not changed: the emulator has one account, and OSS
    /// lets the owner create a bucket again. In another region that is an error (page `PutBucket`).
    pub(super) fn put_bucket(&mut self, bucket: &str, region: &str) -> Result<(), ServiceError> {
        let entry = self.buckets.entry(bucket.to_owned()).or_insert_with(|| Bucket {
            region: region.to_owned(),
            rule: None,
            stale: None,
            objects: BTreeMap::new(),
        });
        if entry.region == region {
            return Ok(());
        }
        let message = "The requested bucket name is not available. The bucket namespace is shared \
                       by all users of the system. Please select a different name and try again.";
        Err(ServiceError::new(409, "BucketAlreadyExists", message).detail("BucketName", bucket))
    }

    /// Deletes a bucket, which must be empty (page `DeleteBucket`).
    pub(super) fn delete_bucket(&mut self, bucket: &str) -> Result<(), ServiceError> {
        if !self.objects(bucket)?.is_empty() {
            let message = "The bucket you tried to delete is not empty.";
            return Err(ServiceError::new(409, "BucketNotEmpty", message)
                .ec("0015-00000301")
                .detail("BucketName", bucket));
        }
        let removed = self.buckets.remove(bucket);
        removed.map(|_| ()).ok_or_else(|| ServiceError::no_such_bucket(bucket))
    }

    /// Removes a bucket with its objects, without a request.
    pub(super) fn remove_bucket_unchecked(&mut self, bucket: &str) {
        self.buckets.remove(bucket);
    }

    /// Replaces the whole rule (oss2 `test_bucket_encryption` goes through SM4, AES256 and KMS and
    /// reads back only the last).
    pub(super) fn put_encryption(
        &mut self,
        bucket: &str,
        rule: EncryptionRule,
    ) -> Result<(), ServiceError> {
        self.bucket(bucket)?.rule = Some(rule);
        Ok(())
    }

    /// The rule as reads return it. Without a rule the status is 404 (the HTTP 404 page and the SDKs'
    /// live tests; an older page of `GetBucketEncryption` says 400).
    pub(super) fn get_encryption(&mut self, bucket: &str) -> Result<EncryptionRule, ServiceError> {
        self.read_rule(bucket)?.ok_or_else(|| {
            let message = "The server side encryption configuration was not found.";
            ServiceError::new(404, "NoSuchServerSideEncryptionRule", message).ec("0005-00000004")
        })
    }

    /// The rule as reads return it, which may be stale.
    pub(super) fn read_rule(
        &mut self,
        bucket: &str,
    ) -> Result<Option<EncryptionRule>, ServiceError> {
        let bucket = self.bucket(bucket)?;
        Ok(match &mut bucket.stale {
            Some(StaleReads { rule, remaining }) if *remaining > 0 => {
                *remaining -= 1;
                rule.clone()
            }
            _ => bucket.rule.clone(),
        })
    }

    /// Deletes the rule. Succeeds without a rule too (docstring of oss2 `delete_bucket_encryption`).
    pub(super) fn delete_encryption(&mut self, bucket: &str) -> Result<(), ServiceError> {
        self.bucket(bucket)?.rule = None;
        Ok(())
    }

    /// Stores an object, or replaces the one with the same key.
    pub(super) fn put_object(
        &mut self,
        bucket: &str,
        key: &str,
        object: Object,
    ) -> Result<(), ServiceError> {
        self.bucket(bucket)?.objects.insert(key.to_owned(), object);
        Ok(())
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> Result<&Object, ServiceError> {
        self.objects(bucket)?.get(key).ok_or_else(|| ServiceError::no_such_key(key))
    }

    /// Deletes an object. Succeeds without an object too (page `DeleteObject`).
    pub(super) fn delete_object(&mut self, bucket: &str, key: &str) -> Result<(), ServiceError> {
        self.bucket(bucket)?.objects.remove(key);
        Ok(())
    }

    /// The objects of a bucket by key.
    pub(super) fn objects(&self, bucket: &str) -> Result<&BTreeMap<String, Object>, ServiceError> {
        let found = self.buckets.get(bucket).map(|bucket| &bucket.objects);
        found.ok_or_else(|| ServiceError::no_such_bucket(bucket))
    }

    /// Makes the next `reads` return `rule` instead of the actual rule.
    pub(super) fn serve_stale_reads(
        &mut self,
        bucket: &str,
        rule: Option<EncryptionRule>,
        reads: u32,
    ) {
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.stale = Some(StaleReads { rule, remaining: reads });
        }
    }

    /// Makes all reads return the actual rule.
    pub(super) fn clear_stale_reads(&mut self) {
        for bucket in self.buckets.values_mut() {
            bucket.stale = None;
        }
    }

    fn bucket(&mut self, name: &str) -> Result<&mut Bucket, ServiceError> {
        self.buckets.get_mut(name).ok_or_else(|| ServiceError::no_such_bucket(name))
    }
}

/// Whether a new bucket may have this name (page "Bucket naming conventions").
pub(super) fn is_new_bucket_name(name: &str) -> bool {
    is_bucket_name(name) && !name.contains('_')
}

/// Whether a bucket may have this name. Old buckets may have underscores (Node.js SDK,
/// `checkBucketName`).
pub(super) fn is_bucket_name(name: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| is_edge(byte) || byte == b'-')
        && bytes.first().copied().is_some_and(is_edge)
        && bytes.last().copied().is_some_and(is_edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        let mut store = Store::default();
        store.put_bucket("demo", "cn-hangzhou").unwrap();
        store
    }

    fn code<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> (u16, String) {
        let error = result.unwrap_err();
        (error.status, error.code.into_owned())
    }

    #[test]
    fn a_rule_is_put_replaced_and_deleted() {
        let mut store = store();
        let missing = (404, "NoSuchServerSideEncryptionRule".to_owned());
        assert_eq!(code(store.get_encryption("demo")), missing);
        let mut rule = EncryptionRule::new("KMS");
        rule.kms_master_key_id = Some("123".to_owned());
        store.put_encryption("demo", rule.clone()).unwrap();
        assert_eq!(store.get_encryption("demo"), Ok(rule));
        store.put_encryption("demo", EncryptionRule::new("KMS")).unwrap();
        assert_eq!(store.get_encryption("demo"), Ok(EncryptionRule::new("KMS")));
        store.delete_encryption("demo").unwrap();
        store.delete_encryption("demo").unwrap();
        assert_eq!(code(store.get_encryption("demo")), missing);
    }

    #[test]
    fn a_missing_bucket_is_named() {
        let mut store = store();
        let missing = (404, "NoSuchBucket".to_owned());
        assert_eq!(code(store.get_encryption("other")), missing);
        assert_eq!(code(store.put_encryption("other", EncryptionRule::new("SM4"))), missing);
        assert_eq!(code(store.delete_encryption("other")), missing);
        assert_eq!(code(store.delete_bucket("other")), missing);
    }

    #[test]
    fn a_bucket_can_only_be_created_again_in_its_region() {
        let mut store = store();
        store.put_encryption("demo", EncryptionRule::new("SM4")).unwrap();
        store.put_bucket("demo", "cn-hangzhou").unwrap();
        assert_eq!(store.rule("demo"), Some(&EncryptionRule::new("SM4")));
        assert_eq!(
            code(store.put_bucket("demo", "cn-beijing")),
            (409, "BucketAlreadyExists".to_owned())
        );
        store.delete_bucket("demo").unwrap();
        store.put_bucket("demo", "cn-beijing").unwrap();
        assert_eq!((store.region("demo"), store.rule("demo")), (Some("cn-beijing"), None));
    }

    #[test]
    fn stale_reads_return_the_previous_rule() {
        let mut store = store();
        store.put_encryption("demo", EncryptionRule::new("KMS")).unwrap();
        store.serve_stale_reads("demo", None, 1);
        assert_eq!(store.rule("demo"), Some(&EncryptionRule::new("KMS")));
        assert_eq!(code(store.get_encryption("demo")).0, 404);
        assert_eq!(store.get_encryption("demo"), Ok(EncryptionRule::new("KMS")));
        store.serve_stale_reads("demo", Some(EncryptionRule::new("SM4")), 9);
        assert_eq!(store.get_encryption("demo"), Ok(EncryptionRule::new("SM4")));
        store.clear_stale_reads();
        assert_eq!(store.get_encryption("demo"), Ok(EncryptionRule::new("KMS")));
    }

    #[test]
    fn bucket_names_are_validated() {
        let longest = "a".repeat(63);
        for name in ["abc", "a-b", "0a9", &longest] {
            assert!(is_new_bucket_name(name), "{name}");
        }
        assert!(is_bucket_name("a_b") && !is_new_bucket_name("a_b"));
        let too_long = "a".repeat(64);
        for name in ["", "ab", "-ab", "ab-", "Abc", "a.b", "中中", &too_long] {
            assert!(!is_bucket_name(name), "{name}");
        }
    }
}
