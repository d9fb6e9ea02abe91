//! One document, such as a script of rules: replaced, and put back as it was before.

use std::task::{Context as TaskContext, Poll, Waker};

use model::{Item, Verdict};
use services::objects::Service;
use services::objects::toy::Toy;

use super::bed::{Ask, Bed, Ended};

struct Pair {
    bed: Bed,
    source: Toy,
    destination: Toy,
}

fn pair(source: &str, destination: Option<&str>) -> Pair {
    let pair = Pair { bed: Bed::new(), source: Toy::default(), destination: Toy::default() };
    *pair.source.script.borrow_mut() = Some(source.to_owned());
    *pair.destination.script.borrow_mut() = destination.map(str::to_owned);
    pair
}

impl Pair {
    fn tick(&self, ask: Ask, allowed: Option<u32>) -> Ended {
        let services = (Service::Toy(self.source.clone()), Service::Toy(self.destination.clone()));
        let mut slice = self.bed.slice_between(ask, services);
        let mut context = TaskContext::from_waker(Waker::noop());
        self.bed.allow(allowed);
        let ended = match slice.as_mut().poll(&mut context) {
            Poll::Ready(ended) => ended,
            Poll::Pending => Ended::Cut,
        };
        self.bed.allow(None);
        ended
    }

    fn there(&self) -> Option<String> {
        self.destination.script.borrow().clone()
    }
}

#[test]
fn a_document_is_replaced_and_put_back_whatever_is_cut() {
    for before in [None, Some("keep;"), Some("new;")] {
        for cut in 0..25 {
            let pair = pair("new;", before);
            pair.tick(Ask::Run, Some(cut));
            assert_eq!(pair.tick(Ask::Run, None), Ended::Done);
            let saved = pair.bed.saved();
            let all = saved.counters[&Item::Rules];
            assert_eq!((all.total, all.failed, all.meet()), (1, 0, true), "{before:?} {cut}");
            assert_eq!(pair.there().as_deref(), Some("new;"), "{before:?} {cut}");
            assert_eq!(pair.bed.verdict(), Verdict::Complete);
            pair.tick(Ask::Remove(1), Some(cut));
            assert_eq!(pair.tick(Ask::Remove(1), None), Ended::Done);
            assert_eq!(pair.there().as_deref(), before, "{before:?} {cut}");
        }
    }
}

#[test]
fn a_document_that_the_user_changed_stays() {
    let pair = pair("new;", Some("keep;"));
    pair.tick(Ask::Run, None);
    *pair.destination.script.borrow_mut() = Some("mine;".into());
    *pair.source.script.borrow_mut() = Some("newer;".into());
    pair.bed.again();
    pair.tick(Ask::Run, None);
    assert_eq!(pair.there().as_deref(), Some("mine;"));
    pair.tick(Ask::Remove(1), None);
    assert_eq!((pair.there().as_deref(), pair.bed.saved().kept), (Some("mine;"), 1));
}

#[test]
fn what_was_put_back_once_is_not_put_back_again() {
    let pair = pair("new;", Some("keep;"));
    pair.tick(Ask::Run, None);
    pair.tick(Ask::Remove(1), None);
    assert_eq!(pair.there().as_deref(), Some("keep;"));
    *pair.destination.script.borrow_mut() = None;
    pair.bed.again();
    pair.tick(Ask::Run, None);
    pair.tick(Ask::Remove(2), None);
    assert_eq!(pair.there(), None);
}
