//! A client of Points: its stubs, its token and its retries.

use std::error::Error;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::{InterceptedService, Interceptor};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, TimeoutExpired};
use tonic_types::StatusExt;

// The price list has a message for its file, which no RPC sends.
#[allow(dead_code)]
pub mod pb {
    tonic::include_proto!("points.v1");
}

type Service = InterceptedService<Channel, Bearer>;

pub type Points = pb::points_service_client::PointsServiceClient<Service>;

/// The stubs of all services, over one connection.
pub struct Client {
    pub points: Points,
    pub policies: pb::policy_service_client::PolicyServiceClient<Service>,
    pub ledger: pb::ledger_service_client::LedgerServiceClient<Service>,
}

/// Connects at the first call. A token, if there is one, goes with every call.
pub fn dial(address: &str, token: Option<String>) -> Result<Client, Box<dyn Error>> {
    // With TLS: https, and tonic's feature "tls-ring".
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    let header = token
        .map(|token| format!("Bearer {token}").parse())
        .transpose()?;
    let service = InterceptedService::new(channel, Bearer(header));
    Ok(Client {
        points: Points::new(service.clone()),
        policies: pb::policy_service_client::PolicyServiceClient::new(service.clone()),
        ledger: pb::ledger_service_client::LedgerServiceClient::new(service),
    })
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

/// A server that asks for a longer wait is asked no more.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(30);

/// Makes a call, and repeats it where it finds no server, or one that cannot answer now: tonic reads
/// no service config, so the figures are those of `service_config.json`. Each attempt has its own
/// deadline. A mutation needs a `request_id`, or a repeat may apply twice.
pub async fn retried<M: Clone, T>(
    timeout: Duration,
    message: M,
    call: impl AsyncFn(Request<M>) -> Result<T, Status>,
) -> Result<T, Status> {
    let mut backoff = Duration::from_millis(100);
    let mut attempt = 0;
    loop {
        let mut request = within(timeout, message.clone());
        if attempt > 0 {
            // With it the server says UNKNOWN of what an earlier attempt may have applied.
            request
                .metadata_mut()
                .insert("grpc-previous-rpc-attempts", attempt.into());
        }
        match call(request).await {
            Err(status)
                if attempt < 4
                    && is_transient(&status)
                    && asked_wait(&status) <= ASKED_WAIT_MAX =>
            {
                tokio::time::sleep(asked_wait(&status) + backoff.mul_f64(rand::random())).await;
                backoff = (backoff * 2).min(Duration::from_secs(2));
            }
            answer => return answer,
        }
        attempt += 1;
    }
}

/// Whether the same request may be answered soon.
pub fn is_transient(status: &Status) -> bool {
    // What tonic makes of a connection that broke is UNKNOWN or INTERNAL; a server's own errors
    // have no source.
    let mut causes = std::iter::successors(status.source(), |&error| error.source()).peekable();
    if causes.peek().is_some() {
        return !causes.any(|error| error.is::<TimeoutExpired>());
    }
    // Of a call that would be refused again the server says that it is not to be repeated.
    let is_forbidden = status.metadata().contains_key("grpc-retry-pushback-ms");
    matches!(status.code(), Code::Unavailable | Code::ResourceExhausted) && !is_forbidden
}

fn asked_wait(status: &Status) -> Duration {
    let info = status.get_details_retry_info();
    info.and_then(|info| info.retry_delay).unwrap_or_default()
}
