//! What the methods of resources and data sources that do IO work with.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// What a method of a resource or data source that does IO works with.
#[derive(Debug)]
pub struct Context<Data> {
    /// What [`Provider::configure`](super::Provider::configure) created.
    pub provider_data: Arc<Data>,
    /// Cancelled when the user interrupts Terraform.
    pub cancellation: CancellationToken,
    /// The object of a create, update or delete; empty in other operations.
    pub object_id: ObjectId,
}

/// Identifies an object of a resource type, whatever its address is.
///
/// Each create generates one, and so does the first update of an object that was imported, moved or created by an
/// earlier version. Terraform stores it with the state and passes it to later operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectId(pub(super) Vec<u8>);

impl ObjectId {
    /// A new ID. With 64 random bits no two objects of a configuration have the same.
    pub(super) fn random() -> Self {
        Self(format!("{:016x}", fastrand::u64(..)).into_bytes())
    }
}
