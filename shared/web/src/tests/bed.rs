//! The other side of these tests.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;

use futures::FutureExt as _;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::executor::block_on;
use futures::future::{Either, select};
use http::Method;
use wire::pipe::{End, pipe};
use wire::script::Script;
use wire::{Bytes, Error, Stream};

use crate::{Answer, Client, Connect, Line, Origin, Request, Url};

/// A line that follows a transcript; dropped, it tells how far that came.
pub(super) struct Played {
    script: Script,
    said_end: bool,
    outcomes: Outcomes,
}

type Outcomes = Rc<RefCell<Vec<Result<(), String>>>>;

impl Stream for Played {
    async fn read(&mut self) -> Result<Bytes, Error> {
        self.script.read().await
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.script.write(bytes).await
    }
}

impl Line for Played {
    fn said_end(&self) -> bool {
        self.said_end
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.outcomes.borrow_mut().push(self.script.finish());
    }
}

impl Line for End {
    fn said_end(&self) -> bool {
        true
    }
}

/// Gives the lines of transcripts, one after the other.
pub(super) struct Scripts {
    left: RefCell<VecDeque<Script>>,
    outcomes: Outcomes,
    pub(super) said_end: Cell<bool>,
    pub(super) opened: RefCell<Vec<Origin>>,
    pub(super) now_ms: Cell<u64>,
}

impl Scripts {
    pub(super) fn new(transcripts: &[&str], bite: usize) -> Rc<Scripts> {
        let scripts = transcripts.iter().map(|it| Script::new(it, bite).with_looks());
        Rc::new(Scripts {
            left: RefCell::new(scripts.collect()),
            outcomes: Outcomes::default(),
            said_end: Cell::new(true),
            opened: RefCell::default(),
            now_ms: Cell::new(0),
        })
    }

    /// All transcripts were played to their ends, and their lines are closed.
    fn finish(&self) {
        assert!(self.left.borrow().is_empty(), "a line was not opened");
        for outcome in self.outcomes.borrow().iter() {
            assert_eq!(*outcome, Ok(()));
        }
    }
}

impl Connect for Rc<Scripts> {
    type Line = Played;

    async fn connect(&self, origin: &Origin) -> Result<Played, Error> {
        self.opened.borrow_mut().push(origin.clone());
        let script = self.left.borrow_mut().pop_front().ok_or(Error::Closed)?;
        let (said_end, outcomes) = (self.said_end.get(), self.outcomes.clone());
        Ok(Played { script, said_end, outcomes })
    }

    fn monotonic_ms(&self) -> u64 {
        self.now_ms.get()
    }
}

/// Gives lines whose far ends the test serves.
pub(super) struct Pipes {
    far: UnboundedSender<End>,
    pub(super) n_opened: Cell<usize>,
}

impl Pipes {
    pub(super) fn new() -> (Rc<Pipes>, UnboundedReceiver<End>) {
        let (far, far_ends) = unbounded();
        (Rc::new(Pipes { far, n_opened: Cell::new(0) }), far_ends)
    }
}

impl Connect for Rc<Pipes> {
    type Line = End;

    async fn connect(&self, _: &Origin) -> Result<End, Error> {
        self.n_opened.set(self.n_opened.get() + 1);
        let (near, far) = pipe();
        self.far.unbounded_send(far).map_err(|_| Error::Closed)?;
        Ok(near)
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

pub(super) fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

pub(super) fn request<'b>(method: &str, at: &str) -> Request<'b> {
    Request::new(Method::from_bytes(method.as_bytes()).unwrap(), url(at))
}

/// Status and body, the longest of which has a hundred thousand bytes.
pub(super) async fn told<C: Connect>(
    answer: Result<Answer<'_, C>, crate::Error>,
) -> Result<(u16, String), crate::Error> {
    let answer = answer?;
    let status = answer.status().as_u16();
    let body = answer.collect(100_000).await?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

pub(super) fn ok(status: u16, body: &str) -> Result<(u16, String), crate::Error> {
    Ok((status, body.to_owned()))
}

/// Plays the transcripts of one line after the other, in two sizes of bites; both must give the same.
pub(super) fn play<T: PartialEq + std::fmt::Debug>(
    transcripts: &[&str],
    work: impl AsyncFn(&Client<Rc<Scripts>>, &Scripts) -> T,
) -> T {
    let [whole, bitten] = [usize::MAX, 1].map(|bite| {
        let scripts = Scripts::new(transcripts, bite);
        let client = Client::new(scripts.clone(), 2);
        // A transcript never lets anybody wait, unless for a turn that is not the server's.
        let result = work(&client, &scripts).now_or_never();
        drop(client);
        scripts.finish();
        result.expect("the client waits for what does not come")
    });
    assert_eq!(whole, bitten);
    whole
}

/// Runs the client beside the server; the client's end is the end.
pub(super) fn beside<T>(client: impl Future<Output = T>, server: impl Future<Output = ()>) -> T {
    block_on(async {
        match select(pin!(client), pin!(server)).await {
            Either::Left((done, _)) => done,
            Either::Right(((), client)) => client.await,
        }
    })
}
