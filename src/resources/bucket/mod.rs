//! Shared parts of the resources that manage a setting of a bucket.
//!
//! They all have the arguments `bucket`, `region` and `timeouts` and the attribute `id`. `setting` is what
//! differs, `resource` what does not, `write` how a setting is created and updated, and `target` how it is
//! read and deleted.

mod history;
mod messages;
mod resource;
mod setting;
mod state;
mod target;
mod timeouts;
mod validation;
mod write;

pub use history::{History, LastChange};
pub use resource::SettingResource;
pub use setting::BucketSetting;
pub use state::{
    bare_state, check_known, identity, identity_schema, is_same_bucket, is_unset, non_empty_string,
    plan, state_from_import,
};
pub use target::{BucketTarget, ClientCall};
pub use timeouts::{
    Operation, deadline, read_timeout_block, timeout, timeouts_block, validate_timeouts,
};
pub use validation::{validate, validate_region};
pub use write::{create, update};
