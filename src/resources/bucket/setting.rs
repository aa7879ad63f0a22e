//! What distinguishes the settings of a bucket from each other.

use std::fmt::Display;

use crate::oss::{BucketName, CallOptions, Client, Error};
use crate::resources::ProviderData;
use crate::tfplugin::{Diagnostic, Diagnostics, ListResource, MoveSource, Object, Schema};

/// A setting of a bucket: its resource type, and the calls that read and write it. [`super::SettingResource`] is the
/// resource that manages it.
pub trait BucketSetting: PartialEq + Display + Send + Sync + Sized {
    /// The resource type.
    const TYPE_NAME: &'static str;
    /// What the setting is of a bucket in messages, for example `encryption`.
    const NAME: &'static str;
    /// What a value of it is, for example `rule`.
    const VALUE: &'static str;
    /// What else usually sets it and what to do, in sentences.
    const CONFLICT_ADVICE: &'static str;
    /// The arguments that are optional and computed: an unset one keeps its prior value.
    const OPTIONAL: &'static [&'static str] = &[];

    /// The schema, with `bucket`, `region`, `id` and `timeouts`.
    fn schema() -> Schema;

    /// Checks the known values of a configuration, see [`super::validate`].
    fn validate(config: &Object) -> Diagnostics;

    /// The setting in a state without unknown values.
    ///
    /// # Errors
    ///
    /// The state has none.
    fn from_state(state: &Object) -> Result<Self, Diagnostic>;

    /// The state with this setting, which OSS returned.
    #[must_use]
    fn add_to(&self, state: Object) -> Object;

    /// The state of a bucket that is imported, before its setting is read.
    #[must_use]
    fn without_setting(state: Object) -> Object {
        state
    }

    /// Converts the state of another resource type; `None` if no type can be moved to this one.
    #[must_use]
    fn move_state(_source: &MoveSource<'_>) -> Option<Result<Object, Diagnostics>> {
        None
    }

    /// The list resource, if there is one.
    #[must_use]
    fn list_resource() -> Option<Box<dyn ListResource<ProviderData>>> {
        None
    }

    /// A phrase for a value that OSS returned. `Display` abbreviates what may be sensitive in a configuration;
    /// this only what is equal to a part of the `configured` value.
    fn describe(&self, _configured: &Self) -> String {
        self.to_string()
    }

    /// Reads the setting. [`Error::is_not_found`] holds for the error if the bucket has none.
    fn get(
        client: &Client,
        bucket: &BucketName,
        options: &CallOptions,
    ) -> impl Future<Output = Result<Self, Error>> + Send;

    /// Replaces the setting.
    fn put(
        &self,
        client: &Client,
        bucket: &BucketName,
        options: &CallOptions,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Removes the setting.
    fn delete(
        client: &Client,
        bucket: &BucketName,
        options: &CallOptions,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}
