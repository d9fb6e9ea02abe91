//! A switch that cuts the power, and somebody else who acts in between.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

use store::Error;

/// Counts operations and lets none happen after the last one allowed.
#[derive(Clone, Default)]
pub(super) struct Power(pub(super) Rc<PowerState>);

/// What happens before which operation.
pub(super) type Interruption = (u32, Box<dyn FnOnce()>);

#[derive(Default)]
pub(super) struct PowerState {
    pub(super) left: Cell<Option<u32>>,
    pub(super) used: Cell<u32>,
    pub(super) dead: Cell<bool>,
    pub(super) before: RefCell<Option<Interruption>>,
    /// Calls of the store so far.
    pub(super) calls: Cell<u32>,
    pub(super) failing: Cell<Option<Failing>>,
}

/// The store fails, and lives on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failing {
    /// From this call on.
    pub(super) from: u32,
    /// So many calls in a row.
    pub(super) times: u32,
    /// Only after it has done what was asked.
    pub(super) done: bool,
}

impl PowerState {
    /// One call of the store. In it nothing may be done where this is an error; where this is
    /// `Ok(true)` it is done, and fails all the same.
    fn call(&self) -> Result<bool, Error> {
        let call = self.calls.get();
        self.calls.set(call + 1);
        match self.failing.get() {
            Some(failing) if (failing.from..failing.from + failing.times).contains(&call) => {
                if failing.done {
                    Ok(true)
                } else {
                    Err(failed())
                }
            }
            _ => Ok(false),
        }
    }
}

fn failed() -> Error {
    Error::Store("database or disk is full".into())
}

impl Power {
    /// Does `work`, a call of the store, unless the store fails at it.
    pub(super) async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let fails = self.0.call()?;
        let done = work.await?;
        if fails { Err(failed()) } else { Ok(done) }
    }

    pub(super) async fn step(&self) {
        let due = matches!(&*self.0.before.borrow(), Some((at, _)) if *at == self.0.used.get());
        if due && let Some((_, act)) = self.0.before.take() {
            act();
        }
        self.0.used.set(self.0.used.get() + 1);
        if let Some(left) = self.0.left.get() {
            if left == 0 {
                self.0.dead.set(true);
                pending::<()>().await;
            }
            self.0.left.set(Some(left - 1));
        }
    }
}
