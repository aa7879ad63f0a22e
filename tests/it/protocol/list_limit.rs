//! A list query whose next object does not come.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use terraform_provider_oss::tfplugin::{
    Applied, Attribute, Block, BoxStream, Context, Diagnostics, Failure, ImportTarget, ListEvent,
    ListResource, Object, Plan, PlanRequest, Resource, Schema, async_trait, pb,
};

use super::provider::Offers;
use crate::support::{TYPE, client_for, diagnostics, dynamic};

/// Lists two objects, and then waits for a service that does not respond.
struct Slow;

fn schema(attributes: Vec<Attribute>) -> Schema {
    Schema { version: 0, block: Block { attributes, ..Block::default() } }
}

#[async_trait]
impl Resource<()> for Slow {
    fn type_name(&self) -> &'static str {
        TYPE
    }

    fn schema(&self) -> Schema {
        schema(vec![Attribute::required("name", "A name.")])
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        Diagnostics::new()
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        Plan { planned_state: request.config.clone(), requires_replace: Vec::new() }
    }

    async fn create(&self, _: &Context<()>, planned: Object) -> Result<Applied, Failure> {
        Ok(planned.into())
    }

    async fn read(&self, _: &Context<()>, current: Object) -> Result<Option<Object>, Failure> {
        Ok(Some(current))
    }

    async fn update(
        &self,
        _: &Context<()>,
        _: Object,
        planned: Object,
    ) -> Result<Applied, Failure> {
        Ok(planned.into())
    }

    async fn delete(&self, _: &Context<()>, _: Object) -> Result<Diagnostics, Failure> {
        Ok(Diagnostics::new())
    }

    async fn import(&self, _: &Context<()>, _: ImportTarget<'_>) -> Result<Object, Diagnostics> {
        Ok(Object::default())
    }

    fn list_resource(&self) -> Option<Box<dyn ListResource<()>>> {
        Some(Box::new(Self))
    }
}

impl ListResource<()> for Slow {
    fn schema(&self) -> Schema {
        schema(Vec::new())
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        Diagnostics::new()
    }

    fn list(&self, _: Context<()>, _: &Object) -> BoxStream<ListEvent> {
        let result = |name: &str| ListEvent::Result {
            display_name: name.to_owned(),
            state: Object::default().with("name", name),
        };
        Box::pin(stream::iter(["one", "two"]).map(result).chain(stream::pending()))
    }
}

#[tokio::test]
async fn the_last_result_does_not_wait_for_an_object_beyond_the_limit() {
    let mut client = client_for(Offers { resource: Some(|| Box::new(Slow)), ..Offers::default() });
    let config = || Some(dynamic(&json!({})));
    let request = pb::configure_provider::Request { config: config(), ..Default::default() };
    client.configure_provider(request).await.unwrap();
    let request = pb::list_resource::Request {
        type_name: TYPE.into(),
        config: config(),
        limit: 2,
        ..Default::default()
    };
    let mut events = client.list_resource(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    let end = async {
        while let Some(event) = events.message().await.unwrap() {
            found.push(event.display_name);
            found.extend(diagnostics(&event.diagnostic));
        }
    };
    let result = tokio::time::timeout(Duration::from_mins(1), end).await;
    assert!(result.is_ok(), "the query has not ended");
    assert_eq!(found, ["one", "two", "warning: Query ended at its limit"]);
}
