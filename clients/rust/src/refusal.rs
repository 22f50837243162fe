//! What a refusal of Points says.

use tonic_types::{ErrorInfo, RpcStatusExt, StatusExt};

/// A call that the balance does not cover.
pub struct InsufficientPoints {
    pub balance: i64,
    pub required: i64,
    pub shortfall: i64,
    pub outcome: String,
}

impl InsufficientPoints {
    /// Reads it from a call's error; `None` where the error is another.
    pub fn of(status: &tonic::Status) -> Option<Self> {
        let info = of_points(status.get_details_error_info())?;
        if info.reason != "INSUFFICIENT_POINTS" {
            return None;
        }
        let number = |name| info.metadata.get(name)?.parse().ok();
        Some(Self {
            balance: number("balance")?,
            required: number("required")?,
            shortfall: number("shortfall")?,
            outcome: info.metadata.get("outcome")?.clone(),
        })
    }
}

/// Why an operation of a batch or a stream was refused.
pub fn reason(error: &tonic_types::Status) -> String {
    of_points(error.get_details_error_info())
        .map_or_else(|| error.message.clone(), |info| info.reason)
}

fn of_points(info: Option<ErrorInfo>) -> Option<ErrorInfo> {
    info.filter(|info| info.domain == "points.v1")
}
