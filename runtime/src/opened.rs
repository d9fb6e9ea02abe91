//! What a component holds of its stores, and refers to in its calls.

/// A store that a component opened.
pub struct OpenStore {
    pub(crate) label: String,
}

/// A bucket that a component opened.
pub struct OpenBucket {
    pub(crate) label: String,
}

/// A compare-and-swap that a component began.
pub struct Swap {
    pub(crate) label: String,
    pub(crate) key: String,
    /// What the swap replaces; `None`: absent.
    pub(crate) expected: Option<Vec<u8>>,
}
