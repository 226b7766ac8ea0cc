//! The messages of the protocol: Porter's `secrets_protocol.proto` (package `plugins`), those that every
//! go-plugin host knows (package `plugin`), and gRPC's health check. On the wire only the numbers count.

use std::fmt;
use zeroize::Zeroize as _;

/// `plugins.ResolveRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ResolveRequest {
    /// What the key is a key of; `secret` since Porter 1.2.
    #[prost(string, tag = "1")]
    pub(crate) key_name: String,
    #[prost(string, tag = "2")]
    pub(crate) key_value: String,
}

/// `plugins.ResolveResponse`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct ResolveResponse {
    #[prost(string, tag = "1")]
    pub(crate) value: String,
}

/// `plugins.CreateRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct CreateRequest {
    #[prost(string, tag = "1")]
    pub(crate) key_name: String,
    #[prost(string, tag = "2")]
    pub(crate) key_value: String,
    #[prost(string, tag = "3")]
    pub(crate) value: String,
}

/// A message without fields: `plugins.CreateResponse`, `plugin.Empty`, `google.protobuf.Empty`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Empty {}

/// `plugin.StdioData`. Nothing of it is ever sent: what coffer has to say is on its standard error.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct StdioData {
    #[prost(int32, tag = "1")]
    pub(crate) channel: i32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) data: Vec<u8>,
}

/// `plugin.ConnInfo`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct ConnInfo {
    #[prost(uint32, tag = "1")]
    pub(crate) service_id: u32,
    #[prost(string, tag = "2")]
    pub(crate) network: String,
    #[prost(string, tag = "3")]
    pub(crate) address: String,
    #[prost(message, optional, tag = "4")]
    pub(crate) knock: Option<Knock>,
}

/// `plugin.ConnInfo.Knock`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Knock {
    #[prost(bool, tag = "1")]
    pub(crate) knock: bool,
    #[prost(bool, tag = "2")]
    pub(crate) ack: bool,
    #[prost(string, tag = "3")]
    pub(crate) error: String,
}

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
}

impl HealthCheckResponse {
    pub(crate) const SERVING: Self = Self { status: 1 };
}

// A value is overwritten once it is on its way, and shown by nothing.
impl Drop for ResolveResponse {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl Drop for CreateRequest {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl fmt::Debug for ResolveResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolveResponse").finish_non_exhaustive()
    }
}

impl fmt::Debug for CreateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateRequest").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let request = CreateRequest {
            key_name: "secret".into(),
            key_value: "key".into(),
            value: "hunter2".into(),
        };
        let response = ResolveResponse { value: "hunter2".into() };
        let shown = format!("{request:?} {response:?} {request:#?} {response:#?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
