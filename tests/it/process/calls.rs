//! RPCs over a real connection.

use terraform_provider_oss::tfplugin::pb;
use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Client, Start, assert_served, broker, plaintext, shut_down, standard_streams, within};

#[tokio::test]
async fn messages_can_exceed_the_default_limit_of_grpc() {
    let plugin = Start::by_host().serve().await;
    let mut provider = ProviderClient::new(plaintext(&plugin).await);
    // A string of 6 MiB in MessagePack; the default limit is 4 MiB.
    let mut msgpack = vec![0xdb];
    msgpack.extend(6_291_456_u32.to_be_bytes());
    msgpack.resize(5 + 6_291_456, b'x');
    let config = Some(pb::DynamicValue { msgpack, ..Default::default() });
    let request = pb::validate_provider_config::Request { config };
    let response = within(provider.validate_provider_config(request)).await.unwrap().into_inner();
    assert_eq!(response.diagnostics[0].summary, "Unexpected configuration");
}

#[tokio::test]
async fn open_streams_end_on_shutdown_and_do_not_delay_it() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let channel = client.connect(&plugin).await;
    let mut streams = standard_streams(&channel).await;
    let mut offers = broker(&channel, futures_util::stream::pending()).await;
    shut_down(&channel).await;
    // The streams end regularly, not by a lost connection.
    assert_eq!(within(streams.message()).await.unwrap(), None);
    assert_eq!(within(offers.message()).await.unwrap(), None);
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn an_endless_call_does_not_delay_the_shutdown() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let channel = client.connect(&plugin).await;
    let request = HealthCheckRequest { service: "plugin".to_owned() };
    let watch = within(HealthClient::new(channel.clone()).watch(request)).await.unwrap();
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
    drop(watch);
}

#[tokio::test]
async fn many_open_calls_do_not_delay_the_next_one() {
    // For example, `StopProvider` during `terraform apply -parallelism=300`.
    let plugin = Start::by_host().serve().await;
    let channel = plaintext(&plugin).await;
    let mut watches = Vec::new();
    for _ in 0..300 {
        let request = HealthCheckRequest { service: "plugin".to_owned() };
        watches.push(within(HealthClient::new(channel.clone()).watch(request)).await.unwrap());
    }
    assert_served(&channel).await;
}

#[tokio::test]
async fn the_broker_stream_stays_open_until_the_host_closes_it() {
    let plugin = Start::by_host().serve().await;
    let channel = plaintext(&plugin).await;
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let offers = futures_util::stream::once(async { drop(closed.await) });
    let mut responses = broker(&channel, offers).await;
    {
        let mut response = std::pin::pin!(responses.message());
        assert!(futures_util::poll!(&mut response).is_pending());
        // The server has processed the stream by the time it responds to this.
        assert_served(&channel).await;
        assert!(futures_util::poll!(&mut response).is_pending());
    }
    drop(close);
    assert_eq!(within(responses.message()).await.unwrap(), None);
}
