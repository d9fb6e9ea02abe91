//! Which of many things in a row are taken, and which is the next that is free.

/// Places from 0 on; a free one points at itself, a taken one beyond.
#[derive(Debug, Default)]
pub struct Skips(Vec<u32>);

impl Skips {
    /// So many places, all free.
    pub fn new(count: usize) -> Self {
        Skips((0..=u32::try_from(count).unwrap_or(u32::MAX - 1)).collect())
    }

    /// The first free place from `at` on; the number of places where there is none. Ways that were
    /// walked are shortened, so that many takings cost little more than one step each.
    pub fn free(&mut self, at: usize) -> usize {
        let end = self.0.len().saturating_sub(1);
        let mut free = at.min(end);
        while let Some(next) = self.next(free).filter(|next| *next != free) {
            free = next;
        }
        let (mut walked, target) = (at, u32::try_from(free).unwrap_or(u32::MAX));
        while let Some(next) = self.next(walked).filter(|next| *next != walked) {
            if let Some(pointer) = self.0.get_mut(walked) {
                *pointer = target;
            }
            walked = next;
        }
        free
    }

    /// Takes a place.
    pub fn take(&mut self, at: usize) {
        let next = u32::try_from(at + 1).unwrap_or(u32::MAX);
        // The place behind the last is never taken.
        if at + 1 < self.0.len()
            && let Some(pointer) = self.0.get_mut(at)
        {
            *pointer = (*pointer).max(next);
        }
    }

    fn next(&self, at: usize) -> Option<usize> {
        self.0.get(at).and_then(|next| usize::try_from(*next).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_no_longer_way_for_many() {
        let count = 300_000;
        let mut skips = Skips::new(count);
        for n in 0..count {
            assert_eq!(skips.free(0), n);
            skips.take(n);
        }
        assert_eq!(skips.free(0), count);
        let mut skips = Skips::new(4);
        skips.take(2);
        assert_eq!((skips.free(1), skips.free(2), skips.free(3), skips.free(9)), (1, 3, 3, 4));
        assert_eq!(Skips::new(0).free(0), 0);
        assert_eq!(Skips::default().free(3), 0);
    }
}
