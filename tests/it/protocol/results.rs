//! States and diagnostics that the server returns for the results of resource methods.

use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::{
    Applied, Attribute, Block, Context, Diagnostic, Diagnostics, Failure, ImportTarget, Object,
    Plan, PlanRequest, Resource, Schema, async_trait, pb,
};

use super::provider::Offers;
use super::{apply_type, read_type};
use crate::support::{TestClient, client_for, diagnostics, dynamic};

const TYPE: &str = "toy_result";

fn toy() -> Offers {
    Offers { resource: Some(|| Box::new(ToyResult)), ..Offers::default() }
}

/// A resource whose argument `result` selects the result of each method.
struct ToyResult;

fn result_of(state: &Object) -> Result<Applied, Failure> {
    let error = || Diagnostic::error("Failed", "");
    match state.string("result").known() {
        Some("warning") => {
            let warnings = Diagnostic::warning("Look at this", "").into();
            Ok(Applied { state: state.clone(), warnings })
        }
        Some("error") => Err(error().into()),
        Some("partial") => {
            Err(Failure::from(error()).with_state(state.clone().with("result", "kept")))
        }
        _ => Ok(state.clone().into()),
    }
}

#[async_trait]
impl Resource<()> for ToyResult {
    fn type_name(&self) -> &'static str {
        TYPE
    }

    fn schema(&self) -> Schema {
        let attributes = vec![Attribute::required("result", "")];
        Schema { version: 0, block: Block { attributes, ..Block::default() } }
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        Diagnostics::new()
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        Plan { planned_state: request.config.clone(), requires_replace: Vec::new() }
    }

    async fn create(&self, _: &Context<()>, planned: Object) -> Result<Applied, Failure> {
        result_of(&planned)
    }

    async fn read(&self, _: &Context<()>, state: Object) -> Result<Option<Object>, Failure> {
        result_of(&state).map(|applied| Some(applied.state))
    }

    async fn update(
        &self,
        _: &Context<()>,
        _: Object,
        planned: Object,
    ) -> Result<Applied, Failure> {
        result_of(&planned)
    }

    async fn delete(&self, _: &Context<()>, prior: Object) -> Result<Diagnostics, Failure> {
        result_of(&prior).map(|applied| applied.warnings)
    }

    async fn import(&self, _: &Context<()>, _: ImportTarget<'_>) -> Result<Object, Diagnostics> {
        Err(result_of(&Object::new().with("result", "partial")).unwrap_err().into())
    }
}

async fn configured() -> TestClient<Offers> {
    let mut client = client_for(toy());
    let config = Some(dynamic(&json!({})));
    let request = pb::configure_provider::Request { config, ..Default::default() };
    client.configure_provider(request).await.unwrap();
    client
}

fn state(result: &str) -> Json {
    json!({ "result": result })
}

const FAILED: [&str; 1] = ["error: Failed"];
const WARNED: [&str; 1] = ["warning: Look at this"];

#[tokio::test]
async fn warnings_are_returned_with_the_state() {
    let mut client = configured().await;
    for prior in [Json::Null, state("prior")] {
        let (new, found) = apply_type(&mut client, TYPE, &prior, &state("warning")).await;
        assert_eq!((new, diagnostics(&found)), (state("warning"), WARNED.map(String::from).into()));
    }
}

#[tokio::test]
async fn a_failure_keeps_the_prior_state_unless_it_has_another() {
    let mut client = configured().await;
    for (prior, planned, kept) in [
        (Json::Null, state("error"), Json::Null),
        (Json::Null, state("partial"), state("kept")),
        (state("prior"), state("error"), state("prior")),
        (state("prior"), state("partial"), state("kept")),
        (state("error"), Json::Null, state("error")),
        (state("partial"), Json::Null, state("kept")),
    ] {
        let (new, found) = apply_type(&mut client, TYPE, &prior, &planned).await;
        assert_eq!(new, kept, "{prior} to {planned}");
        assert_eq!(diagnostics(&found), FAILED);
    }
    for (current, kept) in [(state("error"), state("error")), (state("partial"), state("kept"))] {
        let (new, found) = read_type(&mut client, TYPE, &current).await;
        assert_eq!((new, diagnostics(&found)), (kept, FAILED.map(String::from).into()));
    }
}

#[tokio::test]
async fn a_failed_import_returns_only_diagnostics() {
    let mut client = configured().await;
    let request = pb::import_resource_state::Request {
        type_name: TYPE.into(),
        id: "x".into(),
        ..Default::default()
    };
    let response = client.import_resource_state(request).await.unwrap().into_inner();
    assert!(response.imported_resources.is_empty());
    assert_eq!(diagnostics(&response.diagnostics), FAILED);
}
