//! What a refusal's type means.

use crate::answer::Answer;
use crate::refusals::{Code, Refusal};
use crate::shown::installation::Meaning;

/// `GET /problems/{code}`: what a refusal's type means.
pub fn problem(name: &str) -> Result<Answer, Refusal> {
    let code = Code::ALL.iter().find(|code| code.name() == name);
    let code = code.ok_or_else(|| Refusal::of(Code::NoSuchPage))?;
    let (title, status) = (code.title(), code.status());
    Ok(Answer::json(200, &Meaning { code: *code, title, status }))
}
