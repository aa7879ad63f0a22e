//! The resources and data sources of a server with their schemas, which are built only once.

use std::sync::Arc;

use crate::tfplugin::data_source::DataSource;
use crate::tfplugin::diagnostics::Diagnostics;
use crate::tfplugin::list_resource::ListResource;
use crate::tfplugin::resource::Resource;
use crate::tfplugin::schema::Schema;
use crate::tfplugin::value::Object;
use crate::tfplugin::{pb, wire};

/// A resource with its schemas.
pub(super) struct RegisteredResource<Data> {
    pub(super) resource: Box<dyn Resource<Data>>,
    pub(super) schema: Schema,
    pub(super) identity_schema: Option<Schema>,
}

impl<Data> From<Box<dyn Resource<Data>>> for RegisteredResource<Data> {
    fn from(resource: Box<dyn Resource<Data>>) -> Self {
        Self { schema: resource.schema(), identity_schema: resource.identity_schema(), resource }
    }
}

impl<Data> RegisteredResource<Data> {
    /// The encoded identity of the object with this state.
    pub(super) fn identity(&self, state: Option<&Object>) -> Option<pb::ResourceIdentityData> {
        self.resource.identity(state?).map(wire::to_identity)
    }

    /// Decodes an identity; `None` if there is none, or the resource has no identities.
    pub(super) fn decode_identity(
        &self,
        identity: Option<&pb::ResourceIdentityData>,
    ) -> Result<Option<Object>, Diagnostics> {
        match &self.identity_schema {
            Some(schema) => Ok(wire::from_identity(identity, schema)?),
            None => Ok(None),
        }
    }
}

/// A resource that can be listed, with its list resource.
pub(super) type RegisteredList<Data> = (Arc<RegisteredResource<Data>>, Box<dyn ListResource<Data>>);

/// A data source with its schema.
pub(super) struct RegisteredDataSource<Data> {
    pub(super) data_source: Box<dyn DataSource<Data>>,
    pub(super) schema: Schema,
}

impl<Data> From<Box<dyn DataSource<Data>>> for RegisteredDataSource<Data> {
    fn from(data_source: Box<dyn DataSource<Data>>) -> Self {
        Self { schema: data_source.schema(), data_source }
    }
}
