//! A switch that cuts the power, and somebody else who acts in between.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

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
}

impl Power {
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
