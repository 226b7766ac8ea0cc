//! The calls of the protocol by their paths: Porter's two, and what every go-plugin host knows of a plugin.

use crate::bridge::Bridge;
use crate::life::Life;
use crate::message::{ConnInfo, Empty, HealthCheckRequest, HealthCheckResponse, Knock, StdioData};
use coffer_host::limits;
use futures_util::{Stream, StreamExt as _, stream};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use tonic::body::Body;
use tonic::server::{Grpc, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// Bytes of one message. The largest value that any store takes, and room for its key.
const MESSAGE_BYTES_MAX: usize = limits::ANSWER_BYTES_MAX + (1 << 20);

/// The name by which hosts ask whether the plugin is well.
const HEALTH: &str = "plugin";

type Answer<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What answers the calls of all connections.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) life: Life,
}

impl Service {
    /// Answers one call.
    pub(crate) async fn answer(self, request: http::Request<Incoming>) -> http::Response<Body> {
        let Self { bridge, life } = self;
        match request.uri().path() {
            "/plugins.SecretsProtocol/Resolve" => {
                let call = move |asked| life.call(async move || bridge.resolve(asked).await);
                grpc().unary(Unary(call), request).await
            }
            "/plugins.SecretsProtocol/Create" => {
                let call = move |asked| life.call(async move || bridge.create(asked).await);
                grpc().unary(Unary(call), request).await
            }
            "/plugin.GRPCController/Shutdown" => {
                let call = move |Empty {}| {
                    life.end("the host asks for it");
                    std::future::ready(Ok(Empty {}))
                };
                grpc().unary(Unary(call), request).await
            }
            "/plugin.GRPCStdio/StreamStdio" => grpc().server_streaming(Stdio(life), request).await,
            "/plugin.GRPCBroker/StartStream" => grpc().streaming(Broker(life), request).await,
            "/grpc.health.v1.Health/Check" => {
                grpc().unary(Unary(|asked| std::future::ready(health(&asked))), request).await
            }
            _ => Status::unimplemented("this plugin has no such call").into_http(),
        }
    }
}

fn grpc<Asked, Answered>() -> Grpc<ProstCodec<Answered, Asked>>
where
    Asked: prost::Message + Default + Send + 'static,
    Answered: prost::Message + Send + 'static,
{
    Grpc::new(ProstCodec::default())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

fn health(asked: &HealthCheckRequest) -> Result<HealthCheckResponse, Status> {
    match asked.service.as_str() {
        "" | HEALTH => Ok(HealthCheckResponse::SERVING),
        _ => Err(Status::not_found("this plugin has no service of this name")),
    }
}

/// A call with one message each way.
struct Unary<F>(F);

impl<F, Fut, Asked, Answered> UnaryService<Asked> for Unary<F>
where
    F: FnOnce(Asked) -> Fut + Clone,
    Fut: Future<Output = Result<Answered, Status>> + Send + 'static,
{
    type Response = Answered;
    type Future = Answer<Answered>;

    fn call(&mut self, request: Request<Asked>) -> Self::Future {
        let answered = (self.0.clone())(request.into_inner());
        Box::pin(async move { answered.await.map(Response::new) })
    }
}

/// Standard output and error, which hosts can read here as well: nothing, until the end. The stream also
/// keeps the host's client from closing a connection that has nothing to carry for half an hour.
struct Stdio(Life);

impl ServerStreamingService<Empty> for Stdio {
    type Response = StdioData;
    type ResponseStream = Answers<StdioData>;
    type Future = Answer<Self::ResponseStream>;

    fn call(&mut self, _: Request<Empty>) -> Self::Future {
        let nothing = stream::pending().take_until(self.0.ended());
        Box::pin(async move { Ok(Response::new(nothing.boxed())) })
    }
}

/// Further connections, of which Porter's protocol needs none: whoever knocks for one is told so.
struct Broker(Life);

impl StreamingService<ConnInfo> for Broker {
    type Response = ConnInfo;
    type ResponseStream = Answers<ConnInfo>;
    type Future = Answer<Self::ResponseStream>;

    fn call(&mut self, request: Request<Streaming<ConnInfo>>) -> Self::Future {
        let told = request.into_inner().filter_map(async |asked| match asked {
            Ok(asked) if asked.knock.as_ref().is_some_and(|knock| knock.knock && !knock.ack) => {
                let error = "this plugin has no further connections".into();
                let knock = Some(Knock { knock: true, ack: true, error });
                Some(Ok(ConnInfo { service_id: asked.service_id, knock, ..ConnInfo::default() }))
            }
            Ok(_) => None,
            Err(status) => Some(Err(status)),
        });
        let told = told.take_until(self.0.ended());
        Box::pin(async move { Ok(Response::new(told.boxed())) })
    }
}
