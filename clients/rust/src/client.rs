//! A client of Points: its stubs, its token and its retries.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::{InterceptedService, Interceptor};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

pub mod pb {
    tonic::include_proto!("points.v1");
}

pub type Points =
    pb::points_service_client::PointsServiceClient<InterceptedService<Channel, Bearer>>;

/// Connects at the first call. A token, if there is one, goes with every call.
pub fn dial(address: &str, token: Option<String>) -> Result<Points, Box<dyn std::error::Error>> {
    // With TLS: https, and tonic's feature "tls-ring".
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    let header = token
        .map(|token| format!("Bearer {token}").parse())
        .transpose()?;
    Ok(Points::new(InterceptedService::new(channel, Bearer(header))))
}

#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", header.clone());
        }
        Ok(request)
    }
}

/// A request with so much time for it.
pub fn within<T>(timeout: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

/// Repeats a call that finds no server, since tonic reads no service config: the figures are those
/// of `service_config.json`. A mutation needs a `request_id`, or a repeat may apply twice.
pub async fn retried<T>(call: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    let mut backoff = Duration::from_millis(100);
    for _ in 1..5 {
        match call().await {
            Err(status) if status.code() == Code::Unavailable => {
                tokio::time::sleep(backoff.mul_f64(rand::random())).await;
                backoff = (backoff * 2).min(Duration::from_secs(2));
            }
            answer => return answer,
        }
    }
    call().await
}
