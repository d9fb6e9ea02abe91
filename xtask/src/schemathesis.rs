//! Schemathesis against the served description of the API: requests that are made of the description,
//! whose answers must be what it says. No answer may be a fault of the server (5xx), have a status that
//! is not described, or a body that the schema does not allow.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::build;
use crate::packages;
use crate::shell::{Done, Step, target_folder};

/// The package of PyPI.
const PACKAGE: &str = "schemathesis==4.32.5";
/// How long both runs take together where nothing is said, in seconds.
const SECONDS: u64 = 300;
/// What is compared. Left out is whether every body that fits its schema is accepted: most name mail
/// servers that do not exist, and a wrong password is a fault of the body, too.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method,\
    allow_header_conformance";
/// What erases or closes what the second run works with; the first one tries these.
const ENDS: [&str; 3] = ["Delete", "DeleteProject", "CloseProject"];
/// A table with two migrations between servers that nobody reaches: what is added by a table is not
/// tried beforehand.
const TABLE: &str = "Source Type;Source Server url;Source Login/Mail;Source Password;Destination Type;\
    Destination Url;Destination Mail;Destination Password\n\
    IMAP;imaps://127.0.0.1:9;anna@a.example;p;IMAP;imaps://127.0.0.1:9;anna@b.example;p\n\
    IMAP;imaps://127.0.0.1:9;bert@a.example;p;IMAP;imaps://127.0.0.1:9;bert@b.example;p\n";

/// Runs it for so many seconds (`arguments`): half of them as a stranger, half with a project's token.
pub(crate) fn schemathesis(arguments: &[String]) -> Done {
    let seconds = match arguments.first() {
        None => SECONDS,
        Some(text) => text.parse().map_err(|_| format!("{text:?} is no number of seconds"))?,
    };
    packages::ensure(packages::FOR_SCHEMATHESIS)?;
    let binary = build::build()?;
    let tool = tool()?;
    let folder = target_folder().join("schemathesis-state");
    // What an earlier run left may be of another version.
    let _ = fs::remove_dir_all(&folder);
    let server = Server::start(&binary, &folder)?;
    let each = (seconds / 2).max(1);
    let stranger = run(&tool, &server, &folder, each, &Guest::Stranger);
    let project = server.project()?;
    let owner = run(&tool, &server, &folder, each, &Guest::Owner(project));
    stranger.and(owner)
}

/// The program, installed where it is missing.
fn tool() -> Done<PathBuf> {
    let folder = target_folder().join("schemathesis");
    let (mark, program) = (folder.join("complete"), folder.join("bin/schemathesis"));
    if fs::read_to_string(&mark).is_ok_and(|it| it == PACKAGE) {
        return Ok(program);
    }
    Step::new("python3").args(["-m", "venv", "--clear"]).arg(&folder.to_string_lossy()).run()?;
    let python = folder.join("bin/python");
    Step::new(&python.to_string_lossy()).args(["-m", "pip", "install", "-q", PACKAGE]).run()?;
    fs::write(&mark, PACKAGE).map_err(|error| format!("{}: {error}", mark.display()))?;
    Ok(program)
}

/// Who asks.
enum Guest {
    /// Somebody without any token.
    Stranger,
    /// The owner of a project.
    Owner(Project),
}

/// A project with a migration in it.
struct Project {
    id: String,
    token: String,
    migration: String,
}

fn run(tool: &Path, server: &Server, folder: &Path, seconds: u64, guest: &Guest) -> Done {
    let (name, settings) = match guest {
        Guest::Stranger => ("stranger", String::new()),
        Guest::Owner(project) => ("owner", settings(project)),
    };
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, settings).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut step = Step::new(&tool.to_string_lossy()).arg("--config-file");
    step = step.arg(&file.to_string_lossy()).arg("run");
    step = step.arg(&format!("{}/api/v1/openapi.json", server.address));
    step = step.args(["--checks", CHECKS, "--max-time", &seconds.to_string()]);
    step = step.args(["--continue-on-failure", "--generation-database", "none", "--no-color"]);
    // Events last for an hour where nothing happens, and no file is taken by this version (501).
    let left_out = ["Events", "Upload"].iter().flat_map(|name| ["--exclude-operation-id", name]);
    step = step.args(left_out).args(["--request-timeout", "60"]);
    if let Guest::Owner(project) = guest {
        step = step.args(["--header", &format!("Authorization:Bearer {}", project.token)]);
        step = step.args(ENDS.iter().flat_map(|name| ["--exclude-operation-id", name]));
    }
    step.within(folder).run()
}

/// Where the project and its migration are, so that not every address leads nowhere.
fn settings(project: &Project) -> String {
    let Project { id, migration, .. } = project;
    format!(
        "[[operations]]\ninclude-path-regex = \"^/projects/\"\nparameters = {{ id = \"{id}\" }}\n\
         [[operations]]\ninclude-path-regex = \"^/migrations/\\\\{{\"\n\
         parameters = {{ id = \"{migration}\", account = \"anna@a.example\" }}\n"
    )
}

/// The application, as long as this lives.
struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    address: String,
}

impl Server {
    /// Starts it with its state in `folder`. It asks nobody else for names, so that no request waits.
    fn start(binary: &Path, folder: &Path) -> Done<Server> {
        let words = ["serve", "--listen", "127.0.0.1:0", "--variable", "limits=off"];
        let nowhere = "https://127.0.0.1:9/dns-query";
        let mut step = Step::new(&binary.to_string_lossy()).args(words);
        step = step.arg("--state-dir").arg(&folder.to_string_lossy());
        step = step.arg("--variable").arg(&format!("doh_url={nowhere}"));
        step = step.arg("--variable").arg(&format!("ispdb_url={nowhere}"));
        step.command().stdout(Stdio::piped());
        let child = step.start()?;
        // From here on it ends with this value.
        let mut server = Server { child, address: String::new() };
        let said = server.child.stdout.take().ok_or("the application has no standard output")?;
        for line in BufReader::new(said).lines() {
            let line = line.map_err(|error| error.to_string())?;
            if let Some((_, address)) = line.split_once("listening on ") {
                server.address = address.trim().to_owned();
                return Ok(server);
            }
        }
        Err("the application did not say where it listens".to_owned())
    }

    /// A project with migrations.
    fn project(&self) -> Done<Project> {
        let body = "{\"name\": \"schemathesis\", \"password\": \"long enough for one\"}";
        let made = self.post("/api/v1/projects", "application/json", None, body)?;
        let (id, token) = (field(&made, "id")?, field(&made, "token")?);
        let path = format!("/api/v1/projects/{id}/import");
        self.post(&path, "text/csv", Some(&token), TABLE)?;
        let listed = self.ask("GET", &format!("/api/v1/projects/{id}"), "", Some(&token), "")?;
        let (_, list) = listed.split_once("\"migrations\":[").ok_or("no list of migrations")?;
        Ok(Project { migration: field(list, "id")?, id, token })
    }

    fn post(&self, path: &str, kind: &str, token: Option<&str>, body: &str) -> Done<String> {
        self.ask("POST", path, kind, token, body)
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        token: Option<&str>,
        body: &str,
    ) -> Done<String> {
        let said = |error: std::io::Error| format!("{method} {path}: {error}");
        let host = self.address.trim_start_matches("http://");
        let token = token.map_or_else(String::new, |it| format!("authorization: Bearer {it}\r\n"));
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: {kind}\r\ncontent-length: {length}\r\n{token}\r\n{body}"
        );
        let mut stream = TcpStream::connect(host).map_err(said)?;
        stream.write_all(request.as_bytes()).map_err(said)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(said)?;
        match answer.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => Ok(answer),
            _ => Err(format!("{method} {path} was answered: {answer}")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A text in our own JSON, where nothing is escaped.
fn field(json: &str, name: &str) -> Done<String> {
    let (_, rest) =
        json.split_once(&format!("\"{name}\":\"")).ok_or(format!("no {name} in {json}"))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}
