//! Outgoing HTTP of a component: allowed hosts, and the application's own components in process.

use std::sync::{Arc, Weak};

use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::app::App;
use crate::outbound::{AllowedHosts, INTERNAL_SUFFIX};

/// Sends the requests of one instance.
pub(crate) struct Hooks {
    pub(crate) app: Weak<App>,
    pub(crate) hosts: Arc<AllowedHosts>,
}

type Finish = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Finish), Error>;

/// Who answers an outgoing request.
enum Receiver {
    Component(String),
    Itself,
    Network,
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _finished: Finish,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let receiver = receiver(&self.hosts, request.uri());
        let app = self.app.clone();
        Box::new(async move {
            match receiver? {
                Receiver::Network => {
                    let (response, io) =
                        wasmtime_wasi_http::default_send_request(request, options).await?;
                    let io: Finish = Box::new(io);
                    Ok((response.map(BodyExt::boxed_unsync), io))
                }
                Receiver::Component(name) => {
                    let app = app.upgrade().ok_or(Error::ConnectionTerminated)?;
                    inside(app.call(&name, request).await)
                }
                Receiver::Itself => {
                    let app = app.upgrade().ok_or(Error::ConnectionTerminated)?;
                    inside(app.handle(request, None).await)
                }
            }
        })
    }
}

fn inside(response: http::Response<crate::instance::Body>) -> Sent {
    let io: Finish = Box::new(async { Ok(()) });
    Ok((response.map(BodyExt::boxed_unsync), io))
}

fn receiver(hosts: &AllowedHosts, uri: &http::Uri) -> Result<Receiver, Error> {
    let scheme = uri.scheme_str().unwrap_or("https");
    let host = uri.host().ok_or(Error::HttpRequestUriInvalid)?;
    if host == "self.alt" {
        return match hosts.allows_self() && scheme == "http" {
            true => Ok(Receiver::Itself),
            false => Err(Error::HttpRequestDenied),
        };
    }
    if !hosts.allows_http(scheme, host, uri.port_u16()) {
        log::warn!("a request to {scheme}://{host} is not in allowed_outbound_hosts");
        return Err(Error::HttpRequestDenied);
    }
    match host.strip_suffix(INTERNAL_SUFFIX) {
        Some(name) if scheme == "http" => Ok(Receiver::Component(name.to_owned())),
        Some(_) => Err(Error::HttpRequestDenied),
        None => Ok(Receiver::Network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_reached_in_process() {
        let patterns = ["http://*.spin.internal", "https://*:*", "http://self"];
        let patterns = patterns.map(str::to_owned);
        let hosts = AllowedHosts::parse(&patterns, &["forms".to_owned()]).unwrap();
        let name = |uri: &'static str| match receiver(&hosts, &http::Uri::from_static(uri)) {
            Ok(Receiver::Component(name)) => name,
            Ok(Receiver::Itself) => "itself".to_owned(),
            Ok(Receiver::Network) => "network".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(name("http://forms.spin.internal/x"), "forms");
        assert_eq!(name("https://forms.spin.internal/x"), "HttpRequestDenied");
        assert_eq!(name("http://nobody.spin.internal/x"), "HttpRequestDenied");
        assert_eq!(name("http://self.alt/x"), "itself");
        assert_eq!(name("https://example.com/x"), "network");
        assert_eq!(name("http://example.com/x"), "HttpRequestDenied");
        assert_eq!(name("/x"), "HttpRequestUriInvalid");
    }
}
