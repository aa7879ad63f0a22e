//! The services of go-plugin that every plugin has in addition to its own.

use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::service::{Routes, RoutesBuilder};
use tonic::{Request, Response, Status, Streaming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::pb::grpc_broker_server::{GrpcBroker, GrpcBrokerServer};
use super::pb::grpc_controller_server::{GrpcController, GrpcControllerServer};
use super::pb::grpc_stdio_server::{GrpcStdio, GrpcStdioServer};
use super::pb::{ConnInfo, Empty, StdioData};

/// The service whose health go-plugin's hosts query.
const HEALTH_NAME: &str = "plugin";

/// Adds controller, stdio, broker and health to a plugin's own services. Unlike plugins in Go, this one has no
/// reflection service: no host calls it, and `proto/` describes the messages to other tools.
pub(super) async fn with_plugin_services(
    own: impl FnOnce(&mut RoutesBuilder),
    stop: &CancellationToken,
) -> Routes {
    let reporter = HealthReporter::new();
    reporter.set_service_status(HEALTH_NAME, ServingStatus::Serving).await;
    let health = tonic_health::server::HealthService::from_health_reporter(reporter);
    let mut routes = Routes::builder();
    own(&mut routes);
    routes
        .add_service(GrpcControllerServer::new(Controller { stop: stop.clone() }))
        .add_service(GrpcStdioServer::new(Stdio { stop: stop.clone() }))
        .add_service(GrpcBrokerServer::new(Broker { stop: stop.clone() }))
        .add_service(tonic_health::pb::health_server::HealthServer::new(health));
    routes.routes()
}

struct Controller {
    stop: CancellationToken,
}

#[tonic::async_trait]
impl GrpcController for Controller {
    /// Responds immediately: the host sets no deadline, and waits two seconds for the process to exit.
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.stop.cancel();
        Ok(Response::new(Empty {}))
    }
}

struct Stdio {
    stop: CancellationToken,
}

#[tonic::async_trait]
impl GrpcStdio for Stdio {
    type StreamStdioStream = BoxStream<StdioData>;

    /// Stays open without messages, because this plugin only writes log lines to standard error.
    async fn stream_stdio(
        &self,
        _: Request<()>,
    ) -> Result<Response<Self::StreamStdioStream>, Status> {
        let empty = stream::pending().take_until(self.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(empty)))
    }
}

struct Broker {
    stop: CancellationToken,
}

#[tonic::async_trait]
impl GrpcBroker for Broker {
    type StartStreamStream = BoxStream<ConnInfo>;

    /// Stays open until the host closes its side. Terraform does not use it.
    async fn start_stream(
        &self,
        request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<Self::StartStreamStream>, Status> {
        let empty = request
            .into_inner()
            .take_while(|message| std::future::ready(message.is_ok()))
            .filter_map(|_| std::future::ready(None))
            .take_until(self.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(empty)))
    }
}
