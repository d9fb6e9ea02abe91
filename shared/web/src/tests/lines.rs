//! Several lines at a time, lines that die, and servers that answer before they were asked whole.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::rc::Rc;

use futures::channel::mpsc::UnboundedReceiver;
use futures::future::{join, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _, select_biased, stream};
use wire::pipe::End;
use wire::{Bytes, Stream as _};

use super::bed::{Pipes, beside, ok, request, told};
use crate::{Body, Client, Coding, Error, Repeat};

const A: &str = "https://a.example/x";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a server heard until `whole` says that it is a request.
async fn hear(end: &mut End, whole: impl Fn(&str) -> bool) -> Option<String> {
    let mut heard = String::new();
    while !whole(&heard) {
        let bytes = end.read().await.ok().filter(|bytes| !bytes.is_empty())?;
        heard.push_str(&String::from_utf8_lossy(&bytes));
    }
    Some(heard)
}

fn has_head(heard: &str) -> bool {
    heard.contains("\r\n\r\n")
}

async fn say(end: &mut End, text: impl Into<Bytes>) {
    let _ = end.write(text.into()).await;
}

/// Serves all lines at the same time.
async fn serve<F: Future<Output = ()>>(
    mut far_ends: UnboundedReceiver<End>,
    server: impl Fn(End) -> F,
) {
    let mut open = FuturesUnordered::new();
    loop {
        select_biased! {
            end = far_ends.next() => match end {
                Some(end) => open.push(server(end).fuse()),
                None => return,
            },
            () = open.select_next_some() => {}
        }
    }
}

/// Lets the others run for a while.
async fn give_way() {
    for _ in 0..50 {
        let mut given = false;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            match std::mem::replace(&mut given, true) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }
}

#[test]
fn as_many_lines_as_allowed() {
    for lines_max in [1, 3, 10] {
        let (pipes, far_ends) = Pipes::new();
        let client = Client::new(pipes.clone(), lines_max);
        let (now, most) = (Cell::new(0), Cell::new(0));
        let server = serve(far_ends, async |mut end| {
            while let Some(heard) = hear(&mut end, has_head).await {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                give_way().await;
                now.set(now.get() - 1);
                let path = heard.split(' ').nth(1).unwrap_or_default();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", path.len());
                say(&mut end, head + path).await;
            }
        });
        let ask = async |number: usize| {
            let path = format!("/{number}");
            let at = format!("https://a.example{path}");
            assert_eq!(told(client.send(request("GET", &at)).await).await, ok(200, &path));
        };
        beside(join_all((0..20).map(ask)), server);
        assert_eq!((most.get(), pipes.n_opened.get()), (lines_max, lines_max));
        assert_eq!(client.n_idle(), lines_max);
    }
}

/// A place is free again whatever becomes of the exchange.
#[test]
fn places_come_back() {
    let (pipes, far_ends) = Pipes::new();
    let client = Client::new(pipes.clone(), 1);
    let server = serve(far_ends, async |mut end| {
        while hear(&mut end, has_head).await.is_some() {
            say(&mut end, OK).await;
        }
    });
    let work = async {
        // Dropped before it was sent, while it waits, with a body that was not read, and whole.
        let _ = client.send(request("GET", A)).now_or_never();
        let answer = client.send(request("GET", A)).await.unwrap();
        assert!(client.send(request("GET", A)).now_or_never().is_none(), "it waits");
        drop(answer);
        let other = client.send(request("GET", A)).await.unwrap();
        let (first, second) = join(async { other.collect(10).await }, async {
            told(client.send(request("GET", A)).await).await
        })
        .await;
        assert_eq!((first, second), (Ok(b"ok".to_vec()), ok(200, "ok")));
    };
    beside(work, server);
    assert_eq!(client.n_idle(), 1);
}

/// The server answers one request on a line, reads the next one and hangs up; on further lines
/// it answers.
fn asked_again(method: &'static str, repeat: Repeat) -> (Result<(u16, String), Error>, usize) {
    let (pipes, far_ends) = Pipes::new();
    let client = Client::new(pipes.clone(), 1);
    let n_lines = Cell::new(0);
    let server = serve(far_ends, async |mut end| {
        n_lines.set(n_lines.get() + 1);
        hear(&mut end, has_head).await;
        say(&mut end, OK).await;
        if n_lines.get() == 1 {
            hear(&mut end, has_head).await;
        }
    });
    let work = async {
        assert_eq!(told(client.send(request("GET", A)).await).await, ok(200, "ok"));
        told(client.send(request(method, A).repeat(repeat)).await).await
    };
    (beside(work, server), pipes.n_opened.get())
}

#[test]
fn only_what_may_be_is_asked_again() {
    let unknown = Err(Error::Unanswered(wire::Error::Closed));
    for method in ["GET", "PROPFIND", "DELETE"] {
        assert_eq!(asked_again(method, Repeat::ByMethod), (ok(200, "ok"), 2), "{method}");
        assert_eq!(asked_again(method, Repeat::Never), (unknown.clone(), 1), "{method}");
    }
    assert_eq!(asked_again("POST", Repeat::ByMethod), (unknown, 1));
    assert_eq!(asked_again("POST", Repeat::Always), (ok(200, "ok"), 2));
}

/// What breaks on its first exchange is no old line: nothing is tried again.
#[test]
fn a_new_line_is_not_tried_again() {
    let (pipes, far_ends) = Pipes::new();
    let client = Client::new(pipes.clone(), 1);
    let server = serve(far_ends, async |mut end| {
        hear(&mut end, has_head).await;
    });
    let result = beside(async { told(client.send(request("GET", A)).await).await }, server);
    assert_eq!(result, Err(Error::Unanswered(wire::Error::Closed)));
    assert_eq!(pipes.n_opened.get(), 1);
}

/// Sends a body in many pieces to a server that answers after the first of them.
fn early(answer: &'static str, hangs_up: bool) -> (Result<(u16, String), Error>, usize, usize) {
    let (pipes, far_ends) = Pipes::new();
    let client = Client::new(pipes.clone(), 1);
    let heard = Rc::new(RefCell::new(0));
    let server = serve(far_ends, async |mut end| {
        let head = hear(&mut end, |heard| heard.contains("xxx")).await.unwrap_or_default();
        *heard.borrow_mut() += head.len();
        say(&mut end, answer).await;
        if hangs_up {
            return;
        }
        loop {
            match end.read().await {
                Ok(bytes) if !bytes.is_empty() => *heard.borrow_mut() += bytes.len(),
                _ => return,
            }
        }
    });
    let pieces = stream::unfold(100_u32, async |left| {
        give_way().await;
        let left = left.checked_sub(1)?;
        Some((Ok(Bytes::from(vec![b'x'; 1000])), left))
    });
    let body = Body::Streamed { length: Some(100_000), pieces: pieces.boxed_local() };
    let work = async { told(client.send(request("PUT", A).body(body)).await).await };
    let result = beside(work, server);
    let n_bytes = *heard.borrow();
    (result, n_bytes, client.n_idle())
}

#[test]
fn answers_before_the_request_is_whole() {
    let refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig";
    for hangs_up in [false, true] {
        let (result, n_bytes, n_idle) = early(refusal, hangs_up);
        assert_eq!((result, n_idle), (ok(413, "big"), 0), "{hangs_up}");
        assert!(n_bytes < 50_000, "{n_bytes}: the rest is pointless");
    }
    let (result, n_bytes, n_idle) = early(OK, false);
    assert_eq!((result, n_idle), (ok(200, "ok"), 1));
    assert!(n_bytes > 100_000);
    let (result, ..) = early("HTTP/1.1 100 Continue\r\n\r\n", true);
    assert!(result.is_err());
    let (result, ..) = early("", true);
    assert_eq!(result, Err(Error::Unanswered(wire::Error::Closed)));
}

#[test]
fn packed_answers_are_unpacked() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&b"hello ".repeat(10_000)).unwrap();
    let packed = encoder.finish().unwrap();
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    )
    .into_bytes();
    answer.extend_from_slice(&packed);
    let (pipes, far_ends) = Pipes::new();
    let client = Client::new(pipes, 1);
    let server = serve(far_ends, async |mut end| {
        while let Some(heard) = hear(&mut end, has_head).await {
            assert!(heard.contains("gzip"));
            say(&mut end, answer.clone()).await;
        }
    });
    let work = async {
        let coded = || request("GET", A).coding(Coding::Decoded);
        let (status, body) = told(client.send(coded()).await).await.unwrap();
        assert_eq!((status, body.len()), (200, 60_000));
        let answer = client.send(coded()).await.unwrap();
        assert!(answer.headers().is_empty(), "they are about what was packed");
        let too_long = Err(Error::TooLong { what: "the answer", max_bytes: 59_999 });
        assert_eq!(answer.collect(59_999).await, too_long);
    };
    beside(work, server);
}
