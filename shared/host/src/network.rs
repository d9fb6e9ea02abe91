//! Connections and name look-ups, over `wasi:sockets`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use spin_sdk::wasip3::sockets::ip_name_lookup::{self, ErrorCode as LookupError};
use spin_sdk::wasip3::sockets::types::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
    TcpSocket,
};
use wire::{Error, Network};

use crate::Host;
use crate::idle::Idle;
use crate::stream::Tcp;

impl Network for Host {
    type Stream = Tcp;

    async fn connect(&self, address: SocketAddr, idle_timeout_s: u32) -> Result<Tcp, Error> {
        let unreachable = |code: ErrorCode| Error::Unreachable {
            address: address.to_string(),
            reason: words(&code),
        };
        let family = match address {
            SocketAddr::V4(_) => IpAddressFamily::Ipv4,
            SocketAddr::V6(_) => IpAddressFamily::Ipv6,
        };
        let socket = TcpSocket::create(family).map_err(unreachable)?;
        let mut idle = Idle::new(idle_timeout_s);
        idle.watch(socket.connect(to_wasi(address))).await?.map_err(unreachable)?;
        Ok(Tcp::new(socket, idle))
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        match ip_name_lookup::resolve_addresses(name.to_owned()).await {
            Ok(addresses) => Ok(addresses.into_iter().map(from_wasi).collect()),
            // Spin refuses every look-up as a permanent failure of the resolver.
            Err(LookupError::AccessDenied | LookupError::PermanentResolverFailure) => {
                Err(Error::LookupRefused)
            }
            Err(error) => {
                let reason = match error {
                    LookupError::NameUnresolvable => "no such name".to_owned(),
                    LookupError::TemporaryResolverFailure => {
                        "the resolver fails for the moment".to_owned()
                    }
                    LookupError::Other(Some(words)) => words,
                    other => format!("{other:?}"),
                };
                Err(Error::Unresolved { name: name.to_owned(), reason })
            }
        }
    }
}

/// What the system said, in words.
pub(crate) fn words(code: &ErrorCode) -> String {
    match code {
        ErrorCode::AccessDenied => {
            "access denied (allowed_outbound_hosts or a blocked network)".to_owned()
        }
        ErrorCode::ConnectionRefused => "connection refused".to_owned(),
        ErrorCode::ConnectionReset => "connection reset".to_owned(),
        ErrorCode::ConnectionAborted => "connection aborted".to_owned(),
        ErrorCode::ConnectionBroken => "connection broken".to_owned(),
        ErrorCode::RemoteUnreachable => "no route to the host".to_owned(),
        ErrorCode::Timeout => "no answer".to_owned(),
        ErrorCode::Other(Some(words)) => words.clone(),
        other => format!("{other:?}"),
    }
}

fn to_wasi(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(v4) => IpSocketAddress::Ipv4(Ipv4SocketAddress {
            port: v4.port(),
            address: v4.ip().octets().into(),
        }),
        SocketAddr::V6(v6) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
            port: v6.port(),
            flow_info: 0,
            address: v6.ip().segments().into(),
            scope_id: 0,
        }),
    }
}

fn from_wasi(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4(octets) => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::from(octets))),
        IpAddress::Ipv6(segments) => IpAddr::V6(Ipv6Addr::from(<[u16; 8]>::from(segments))),
    }
}
