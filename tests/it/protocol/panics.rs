//! Another provider with a resource that panics.

use futures_util::StreamExt as _;
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::{
    Applied, Attribute, Block, BoxStream, Context, Diagnostics, Failure, ImportTarget, ListEvent,
    ListResource, Object, Plan, PlanRequest, Resource, Schema, async_trait, pb,
};

use super::apply;
use super::provider::Offers;
use crate::support::{TYPE, client_for, diagnostics, dynamic};

/// A resource that panics, which must result in a diagnostic and not end the process.
struct Fragile;

fn toy() -> Offers {
    Offers { resource: Some(|| Box::new(Fragile)), ..Offers::default() }
}

#[async_trait]
impl Resource<()> for Fragile {
    fn type_name(&self) -> &'static str {
        TYPE
    }

    fn schema(&self) -> Schema {
        let attributes = vec![Attribute::required("name", "A name.")];
        Schema { version: 0, block: Block { attributes, ..Block::default() } }
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        panic!("fragile")
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        Plan { planned_state: request.config.clone(), requires_replace: Vec::new() }
    }

    async fn create(&self, _: &Context<()>, _: Object) -> Result<Applied, Failure> {
        panic!("fragile")
    }

    async fn read(&self, _: &Context<()>, _: Object) -> Result<Option<Object>, Failure> {
        panic!("fragile")
    }

    async fn update(&self, _: &Context<()>, _: Object, _: Object) -> Result<Applied, Failure> {
        panic!("fragile")
    }

    async fn delete(&self, _: &Context<()>, _: Object) -> Result<Diagnostics, Failure> {
        Ok(Diagnostics::new())
    }

    async fn import(&self, _: &Context<()>, _: ImportTarget<'_>) -> Result<Object, Diagnostics> {
        panic!("fragile")
    }

    fn list_resource(&self) -> Option<Box<dyn ListResource<()>>> {
        Some(Box::new(Fragile))
    }
}

impl ListResource<()> for Fragile {
    fn schema(&self) -> Schema {
        Schema { version: 0, block: Block::default() }
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        panic!("fragile")
    }

    fn list(&self, _: Context<()>, _: &Object) -> BoxStream<ListEvent> {
        let fall = |()| -> ListEvent { panic!("fragile") };
        Box::pin(futures_util::stream::iter([()]).map(fall))
    }
}

#[tokio::test]
async fn a_panic_in_a_list_query_is_a_diagnostic() {
    let mut client = client_for(toy());
    let config = || Some(dynamic(&json!({})));
    let request = pb::configure_provider::Request { config: config(), ..Default::default() };
    client.configure_provider(request).await.unwrap();
    let request = pb::validate_list_resource_config::Request {
        type_name: TYPE.into(),
        config: config(),
        ..Default::default()
    };
    let response = client.validate_list_resource_config(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), ["error: The provider crashed"]);
    let request = pb::list_resource::Request {
        type_name: TYPE.into(),
        config: config(),
        ..Default::default()
    };
    let mut events = client.list_resource(request).await.unwrap().into_inner();
    let event = events.message().await.unwrap().unwrap();
    assert_eq!(diagnostics(&event.diagnostic), ["error: The provider crashed"]);
    assert_eq!(events.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_panic_is_a_diagnostic_and_loses_no_state() {
    let mut client = client_for(toy());
    let config = dynamic(&json!({}));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    client.configure_provider(request).await.unwrap();

    let request = pb::validate_resource_config::Request {
        type_name: TYPE.into(),
        config: Some(dynamic(&json!({ "name": "x" }))),
        ..Default::default()
    };
    let response = client.validate_resource_config(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), ["error: The provider crashed"]);

    let (before, after) = (json!({ "name": "before" }), json!({ "name": "after" }));
    let (state, found) = apply(&mut client, &Json::Null, &after).await;
    assert_eq!(diagnostics(&found), ["error: The provider crashed"]);
    assert_eq!(state, after, "it may have been created");
    let (state, _) = apply(&mut client, &before, &after).await;
    assert_eq!(state, before);
    let (state, found) = apply(&mut client, &before, &Json::Null).await;
    assert_eq!((state, found), (Json::Null, vec![]), "the next call works");
}
