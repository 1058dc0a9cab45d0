#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::control::State;
use crate::route::tests::Fixed;

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn start() -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move { drop(stopped.await) };
    let served = serve(
        listener,
        Hosts::new(["localhost"]),
        Arc::new(Fixed(State::Ok)),
        shutdown,
    );
    (address, stop, tokio::spawn(served))
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4096];
    let length = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn a_connection_serves_several_requests_and_head_has_no_body() {
    let (address, _stop, _task) = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    assert!(
        read_some(&mut stream)
            .await
            .starts_with("HTTP/1.1 200 OK\r\n")
    );
    stream
        .write_all(b"HEAD /notice HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let head = read_some(&mut stream).await;
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert!(!head.contains("content-length: 0"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_given_up() {
    let (address, _stop, _task) = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: loc")
        .await
        .unwrap();
    let began = tokio::time::Instant::now();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(began.elapsed() < HEAD_DEADLINE * 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_beyond_the_bound_is_served_when_an_idle_one_has_ended() {
    let (address, _stop, _task) = start().await;
    let mut idle = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    let began = tokio::time::Instant::now();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200"));
    assert!(
        began.elapsed() >= HEAD_DEADLINE / 2,
        "the bound did not hold"
    );
}

#[tokio::test]
async fn a_head_beyond_its_bound_is_refused() {
    let (address, _stop, _task) = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let long = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(32 * 1024)
    );
    let _ = stream.write_all(long.as_bytes()).await;
    let answer = read_some(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn shutting_down_ends_idle_connections_and_the_listener() {
    let (address, stop, task) = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    read_some(&mut stream).await;
    stop.send(()).unwrap();
    task.await.unwrap();
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}
