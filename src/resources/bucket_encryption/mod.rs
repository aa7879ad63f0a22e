//! `oss_bucket_encryption`: the default server-side encryption of a bucket.
//!
//! `schema` has the arguments and their documentation. `validation` and `state` are pure: they check
//! configurations and convert states. `setting` connects them with the resource of any bucket setting; `list` and
//! the data sources send requests to OSS. Failed requests are explained in `resources::explain`.
//!
//! `data_source` is the data source of one bucket, `account_data_source` that of all buckets; `filter` has the
//! arguments that select buckets.

mod account_data_source;
mod data_source;
mod filter;
mod list;
mod schema;
mod setting;
mod state;
mod validation;

pub(super) use account_data_source::AccountEncryptionDataSource;
pub(super) use data_source::BucketEncryptionDataSource;
