//! The host side of the interfaces in `wit/`.

/// Asynchronous interfaces: `spin:key-value`, `spin:variables`.
pub(crate) mod spin {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    wasmtime::component::bindgen!({
        path: "wit",
        world: "trasloco:runtime/spin",
        imports: { default: async | store | trappable },
        with: { "spin:key-value/key-value.store": crate::opened::OpenStore },
    });
    pub(crate) use spin::{key_value::key_value, variables::variables};
}

/// Synchronous interfaces: `wasi:keyvalue`.
pub(crate) mod wasi {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    wasmtime::component::bindgen!({
        path: "wit",
        world: "trasloco:runtime/keyvalue",
        imports: { default: trappable },
        with: {
            "wasi:keyvalue/store.bucket": crate::opened::OpenBucket,
            "wasi:keyvalue/atomics.cas": crate::opened::Swap,
        },
    });
    pub(crate) use wasi::keyvalue::{atomics, batch, store};
}
