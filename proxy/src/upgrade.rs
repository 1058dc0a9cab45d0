//! WebSocket over plain HTTP (RFC 6455, RFC 9110 §7.8): the one upgrade that passes.
//!
//! Decides when an exchange becomes a tunnel: after the origin's 101 to a request that
//! asked for it, never before (bytes sent early go nowhere, threats §3).

use crate::body::Body;
use crate::conn::Response;
use crate::forward::{self, Errand};
use crate::hop_by_hop::{self, has_token};
use crate::reply::Answer;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Version};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use weir_monitoring::End;

/// A request that asked for WebSocket.
#[derive(Debug)]
pub(crate) struct Wanted;

/// Whether the request asks for WebSocket, in full form.
pub(crate) fn wanted(request: &Request<Incoming>) -> Option<Wanted> {
    let fields = request.headers();
    let asks = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && request.body().is_end_stream()
        && is_websocket(fields)
        && fields.contains_key(header::SEC_WEBSOCKET_KEY);
    asks.then_some(Wanted)
}

fn is_websocket(fields: &HeaderMap) -> bool {
    has_token(fields, &header::CONNECTION, "upgrade")
        && fields
            .get(header::UPGRADE)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Puts the offer back that the hop-by-hop rules took away.
pub(crate) fn offer(fields: &mut HeaderMap) {
    fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// The origin said 101: the client hears it, and the sockets become a tunnel.
pub(crate) async fn switched(
    errand: &Errand<'_>,
    wanted: Option<&Wanted>,
    response: http::Response<Incoming>,
) -> Result<Response, Answer> {
    let failed = |words| {
        errand.task.ended(End::OriginGone);
        Answer::origin(502, "http_upgrade_failed", words)
    };
    if wanted.is_none() || !is_websocket(response.headers()) {
        return Err(failed("The site switched protocols without being asked."));
    }
    let (mut parts, _) = {
        let mut response = response;
        let upgraded = hyper::upgrade::on(&mut response);
        let upgraded = upgraded
            .await
            .map_err(|_| failed("The site hung up while it switched protocols."))?;
        let socket = upgraded
            .downcast::<TokioIo<TcpStream>>()
            .map_err(|_| failed("The connection cannot be upgraded."))?;
        forward::take_over(errand, socket.io.into_inner(), socket.read_buf);
        response.into_parts()
    };
    hop_by_hop::response(&mut parts.headers);
    offer(&mut parts.headers);
    parts
        .headers
        .append(header::VIA, errand.conn.worker.shared.via.clone());
    parts.version = Version::HTTP_11;
    Ok(Response::from_parts(parts, Body::Empty))
}
