//! A stub of the provider `aliyun/alicloud` for tests of the documentation: its resources with
//! the arguments that the guides use, without a service. Only the schema matters: terraform requests
//! it from the old provider before it moves or keeps a resource.

use std::io;
use std::process::ExitCode;

use terraform_provider_oss::plugin;
use terraform_provider_oss::tfplugin::{
    Applied, Attribute, AttributeType, Block, ConfigureResponse, Context, Diagnostic, Diagnostics,
    Failure, ImportTarget, NestedBlock, Object, Plan, PlanRequest, Provider, Resource, Schema,
    Server, Value, async_trait,
};
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;

fn main() -> ExitCode {
    let host = plugin::HandshakeEnv::read(|name| std::env::var_os(name));
    let Some(session) = plugin::negotiate(&host) else { return ExitCode::FAILURE };
    let services = |routes: &mut RoutesBuilder, stop: &CancellationToken| {
        routes.add_service(Server::new(Alicloud, stop.clone()).into_service());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime
        .map(|runtime| runtime.block_on(plugin::serve(&session, services, io::stdout())).is_ok());
    if served.is_ok_and(|is_served| is_served) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The ID of each created key.
const KEY_ID: &str = "9468da86-3509-4f8d-a61e-6eab1eac0000";

struct Alicloud;

impl Provider for Alicloud {
    type Data = ();

    fn schema(&self) -> Schema {
        block(
            vec![Attribute::optional("region", ""), Attribute::optional("profile", "")],
            Vec::new(),
        )
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        Diagnostics::new()
    }

    fn configure(&self, _: &Object, _: &str) -> ConfigureResponse<()> {
        ConfigureResponse {
            provider_data: Some(()),
            has_unknown_values: false,
            diagnostics: Diagnostics::new(),
        }
    }

    fn resources(&self) -> Vec<Box<dyn Resource<()>>> {
        let bucket = || vec![Attribute::required("bucket", ""), Attribute::computed("id", "")];
        let rule = || {
            vec![
                Attribute::required("sse_algorithm", ""),
                Attribute::optional("kms_master_key_id", ""),
                Attribute::optional("kms_data_encryption", ""),
            ]
        };
        let inline = NestedBlock {
            name: "server_side_encryption_rule",
            block: block(rule(), Vec::new()).block,
            is_repeatable: true,
        };
        let key = vec![
            Attribute::optional("description", ""),
            Attribute::optional("key_spec", ""),
            Attribute::optional("pending_window_in_days", "").of_type(AttributeType::Number),
            Attribute::computed("id", ""),
        ];
        vec![
            Box::new(StateOnly { type_name: "alicloud_kms_key", schema: block(key, Vec::new()) }),
            Box::new(StateOnly {
                type_name: "alicloud_oss_bucket",
                schema: block(bucket(), vec![inline]),
            }),
            Box::new(StateOnly {
                type_name: "alicloud_oss_bucket_server_side_encryption",
                schema: block([bucket(), rule()].concat(), Vec::new()),
            }),
        ]
    }
}

fn block(attributes: Vec<Attribute>, blocks: Vec<NestedBlock>) -> Schema {
    Schema { version: 0, block: Block { description: "", attributes, blocks } }
}

/// A resource that only exists in the state.
struct StateOnly {
    type_name: &'static str,
    schema: Schema,
}

#[async_trait]
impl Resource<()> for StateOnly {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn schema(&self) -> Schema {
        self.schema.clone()
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        Diagnostics::new()
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        // Known after the resource is created, even if it is the name of a bucket.
        let id = request.prior_state.map_or(Value::Unknown, |state| state.get("id").clone());
        Plan { planned_state: request.config.clone().with("id", id), requires_replace: Vec::new() }
    }

    async fn create(&self, _: &Context<()>, planned: Object) -> Result<Applied, Failure> {
        let id = match planned.get("bucket") {
            Value::Null => KEY_ID.into(),
            bucket => bucket.clone(),
        };
        Ok(planned.with("id", id).into())
    }

    async fn read(&self, _: &Context<()>, state: Object) -> Result<Option<Object>, Failure> {
        Ok(Some(state))
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
        Err(Diagnostic::error("Import not supported", "").into())
    }
}
