//! Pages and files that need nothing but the request.

use pages::form::{self, Filled};
use pages::{assets, find, home};

use crate::answer::Answer;
use crate::refusals::{Code, Refusal};
use crate::request::Request;
use crate::routes::Route;
use crate::web::page::{OFFER, show};

/// Files under an address with their hash may be kept as long (RFC 8246).
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Pages and files that need nothing but the request.
pub fn fixed(route: Route, name: &str, request: &Request) -> Result<Answer, Refusal> {
    Ok(match route {
        Route::NewForm => show(request, 200, |page| form::page(page, OFFER, &Filled::default())),
        Route::FindForm => show(request, 200, |page| find::page(page, find::Asked::default())),
        Route::Asset => asset(assets::find(name), request)?,
        Route::Favicon => asset(Some(&assets::LOGO), request)?,
        _ => show(request, 200, home::page),
    })
}

fn asset(asset: Option<&assets::Asset>, request: &Request) -> Result<Answer, Refusal> {
    let asset = asset.ok_or_else(|| Refusal::of(Code::NoSuchPage))?;
    let known = request.header("if-none-match").is_some_and(|tags| tags.contains(&asset.etag()));
    let answer = if known {
        Answer::empty(304)
    } else {
        Answer::whole(200, asset.media_type, bytes::Bytes::from_static(asset.bytes))
    };
    // Only an address with the hash stands for this very content.
    let lasting = if request.query.is_empty() { "no-cache" } else { FOR_EVER };
    Ok(answer.with("etag", asset.etag()).with("cache-control", lasting))
}
