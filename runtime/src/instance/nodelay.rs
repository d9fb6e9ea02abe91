//! Small segments of the components' connections go out at once (TCP_NODELAY).
//!
//! `wasi:sockets` has no such option and wasmtime does not set it, so a small segment waits until
//! the peer has acknowledged the one before, which peers delay by 40 ms. Observed with wasmtime
//! 48: 22 exchanges a second where 15,000 are possible. wasmtime keeps its sockets to itself, but
//! it asks for permission after a socket is made and before it connects; then the socket is among
//! those of this process that are not connected yet.

/// Sets TCP_NODELAY on every TCP socket of this process that is about to connect.
#[cfg(unix)]
pub(super) fn set_on_unconnected_sockets() {
    use std::os::fd::BorrowedFd;

    use socket2::{SockRef, Type};

    let Ok(entries) = std::fs::read_dir("/dev/fd") else { return };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    for number in numbers {
        // SAFETY: the descriptor may be closed by another thread meanwhile, and its number may be
        // given to another file. Then these calls fail, or reach another TCP socket of this
        // process; nothing is read, written or closed through it.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        let socket = SockRef::from(&descriptor);
        let is_stream = socket.r#type().is_ok_and(|kind| kind == Type::STREAM);
        if is_stream && socket.peer_addr().is_err() {
            // Fails for what is not TCP.
            let _ = socket.set_tcp_nodelay(true);
        }
    }
}

/// Elsewhere connections are only slower.
#[cfg(not(unix))]
pub(super) fn set_on_unconnected_sockets() {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};

    #[test]
    fn reaches_a_socket_before_it_connects() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let before = std::net::TcpStream::connect(address).unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        set_on_unconnected_sockets();
        socket.connect(&address.into()).unwrap();
        assert!(socket.tcp_nodelay().unwrap());
        assert!(!before.nodelay().unwrap(), "connected sockets are left alone");
    }
}
