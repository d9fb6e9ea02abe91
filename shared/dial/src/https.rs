//! Lines for the web, as crate `web` asks for them: each goes through the same checks as a line to
//! a mail server.
//!
//! Not through the host's own HTTP client: that looks names up by itself, so that a name could lead to
//! a permitted address when it is checked and to another one when it is connected to.

use web::{Connect, Origin};
use wire::{Clock, Error, Http, Network, Stream};

use crate::line::{Dialer, Line};
use crate::url::{Endpoint, Scheme, Tls};

impl<S: Stream> web::Line for Line<S> {
    fn said_end(&self) -> bool {
        Line::said_end(self)
    }
}

/// Opens lines to web servers that users and strangers name.
pub struct Web<'d, 'a, H>(pub &'d Dialer<'a, H>);

impl<H: Network + Http + Clock> Connect for Web<'_, '_, H> {
    type Line = Line<H::Stream>;

    async fn connect(&self, origin: &Origin) -> Result<Line<H::Stream>, Error> {
        // Boxed, since several of them side by side would not fit on the stack of a component.
        let opened = Box::pin(async { self.0.open(&endpoint(origin)).await });
        Ok(opened.await?.line)
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.host.monotonic_ms()
    }
}

/// Where an origin is: TLS from the first byte for `https`, none for `http`, which a dialer refuses
/// where the operator does not allow it. A line knows no scheme of the web: what counts is TLS.
pub(crate) fn endpoint(origin: &Origin) -> Endpoint {
    let (scheme, tls) = match origin.scheme {
        web::Scheme::Https => (Scheme::Imaps, Tls::Implicit),
        web::Scheme::Http => (Scheme::Imap, Tls::None),
    };
    Endpoint { scheme, host: origin.host.clone(), port: origin.port, tls, login: None }
}
