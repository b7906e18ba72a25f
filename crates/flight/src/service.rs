//! The answers to Flight's calls. Records are read only: nothing can be put here, and there are no actions.

use crate::feed::{Feed, Subscription};
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaAsIpc, SchemaResult, Ticket,
};
use arrow_ipc::writer::IpcWriteOptions;
use futures::stream::{self, BoxStream};
use std::hint::black_box;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// The feeds of a server.
pub(crate) struct Service(pub(crate) Arc<[Feed]>);

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = BoxStream<'static, Result<T, Status>>;

impl Service {
    fn feed(&self, name: &[u8]) -> Result<&Feed, Status> {
        self.0.iter().find(|feed| feed.name.as_bytes() == name).ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|feed| feed.name.as_str()).collect();
            let asked = String::from_utf8_lossy(name);
            Status::not_found(format!("there is no {asked:?} here; there are: {}", names.join(", ")))
        })
    }

    fn described(&self, descriptor: &FlightDescriptor) -> Result<&Feed, Status> {
        match descriptor.path.as_slice() {
            [] => self.feed(&descriptor.cmd),
            [name] => self.feed(name.as_bytes()),
            _ => Err(Status::not_found("a path here has one part")),
        }
    }
}

fn info(feed: &Feed) -> Result<FlightInfo, Status> {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(feed.name.clone()));
    let descriptor = FlightDescriptor::new_path(vec![feed.name.clone()]);
    let info = FlightInfo::new()
        .try_with_schema(&feed.schema)
        .map_err(|error| Status::internal(error.to_string()))?;
    // How much will come is not known.
    Ok(info.with_descriptor(descriptor).with_endpoint(endpoint).with_total_records(-1).with_total_bytes(-1))
}

fn read_only<T>() -> Answer<T> {
    Err(Status::unimplemented(
        "records are only read here: use ListFlights, GetFlightInfo, GetSchema and DoGet",
    ))
}

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Subscription;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn list_flights(&self, _: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        let infos: Vec<_> = self.0.iter().map(info).collect();
        Ok(Response::new(Box::pin(stream::iter(infos))))
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        info(self.described(request.get_ref())?).map(Response::new)
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        let feed = self.described(request.get_ref())?;
        let schema = SchemaAsIpc::new(&feed.schema, &IpcWriteOptions::default()).try_into();
        schema
            .map(Response::new)
            .map_err(|error: arrow_schema::ArrowError| Status::internal(error.to_string()))
    }

    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        let peer = request.remote_addr().map_or_else(|| "a client".to_owned(), |peer| peer.to_string());
        self.feed(&request.get_ref().ticket)?.subscribe(peer).map(Response::new)
    }

    async fn handshake(&self, _: Request<Streaming<HandshakeRequest>>) -> Answer<Self::HandshakeStream> {
        read_only()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<PollInfo> {
        read_only()
    }

    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        read_only()
    }

    async fn do_action(&self, _: Request<Action>) -> Answer<Self::DoActionStream> {
        read_only()
    }

    async fn list_actions(&self, _: Request<Empty>) -> Answer<Self::ListActionsStream> {
        read_only()
    }

    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Answer<Self::DoExchangeStream> {
        read_only()
    }
}

/// Lets in the calls that have the token, or all where there is none.
pub(crate) fn guard(
    token: Option<String>,
) -> impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone + Send + Sync + 'static {
    let wanted = token.map(|token| format!("Bearer {token}"));
    move |request| {
        let given = request.metadata().get("authorization").map_or(&[][..], |value| value.as_bytes());
        match &wanted {
            Some(wanted) if !same(wanted.as_bytes(), given) => {
                Err(Status::unauthenticated("this needs the header `authorization: Bearer TOKEN`"))
            }
            _ => Ok(request),
        }
    }
}

/// Takes as long whatever the first difference is, so that a token cannot be guessed letter by letter.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (one, other)| black_box(all | one ^ other));
    one.len() == other.len() && differences == 0
}
