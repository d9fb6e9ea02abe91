//! Headless Chromium by way of chromedriver: WebDriver (W3C) over plain HTTP.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::request;
use crate::process::{Running, free_port, is_root, target_dir, wait_for_port};
use crate::servers::installed;

/// Key that WebDriver returns element references under.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// As usual.
    On,
    /// As in a browser that has them off.
    Off,
}

/// A browser window.
pub struct Browser {
    _driver: Running,
    session: String,
}

/// An element of the page.
pub struct Element<'a> {
    browser: &'a Browser,
    id: String,
}

impl Browser {
    /// Opens a window of this size in CSS pixels.
    pub fn open(width: u32, height: u32, scripts: Scripts) -> Browser {
        installed("/usr/bin/chromium", "chromium");
        let program = installed("/usr/bin/chromedriver", "chromium-driver");
        let port = free_port();
        let driver = Running::start(&program, |command| {
            command.arg(format!("--port={port}"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        });
        wait_for_port(port, "chromedriver", Path::new("/dev/null"));
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--disable-dev-shm-usage".into(),
            "--disable-gpu".into(),
            "--hide-scrollbars".into(),
            format!("--window-size={width},{height}"),
        ];
        if is_root() {
            arguments.push("--no-sandbox".into());
        }
        let scripting = if scripts == Scripts::On { 1 } else { 2 };
        let mut options = json!({
            "args": arguments,
            "prefs": {"profile.managed_default_content_settings.javascript": scripting},
        });
        // Windows are at least 500 pixels wide; phones are not. Only there, since observed with
        // chromedriver 156: with emulation and without scripts a click never returns.
        if width < 500 {
            options["mobileEmulation"] = json!({"deviceMetrics":
                {"width": width, "height": height, "pixelRatio": 1.0, "touch": true}});
        }
        let wanted = json!({"capabilities": {"alwaysMatch":
            {"browserName": "chrome", "goog:chromeOptions": options}}});
        let base = format!("http://127.0.0.1:{port}/session");
        let answer = call("POST", &base, &wanted);
        let id = answer["sessionId"].as_str().expect("a session");
        Browser { _driver: driver, session: format!("{base}/{id}") }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        call("POST", &format!("{}{path}", self.session), body)
    }

    fn get(&self, path: &str) -> Value {
        call("GET", &format!("{}{path}", self.session), &Value::Null)
    }

    /// Goes to an address and waits until it has loaded.
    pub fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// Address of the page.
    pub fn url(&self) -> String {
        self.get("/url").as_str().expect("an address").to_owned()
    }

    /// The first element of a CSS selector.
    pub fn find(&self, selector: &str) -> Element<'_> {
        self.try_find(selector)
            .unwrap_or_else(|| panic!("no element {selector} on {}:\n{}", self.url(), self.text()))
    }

    /// The first element of a CSS selector, if there is one.
    pub fn try_find(&self, selector: &str) -> Option<Element<'_>> {
        let found = self.post("/elements", &json!({"using": "css selector", "value": selector}));
        let id = found.get(0)?[ELEMENT].as_str()?.to_owned();
        Some(Element { browser: self, id })
    }

    /// Visible text of the page. By script, since an element may be exchanged between finding it
    /// and asking it.
    pub fn text(&self) -> String {
        let text = self.run("return document.body ? document.body.innerText : ''");
        text.as_str().expect("a text").to_owned()
    }

    /// Waits until the page's text satisfies `enough`.
    pub fn wait_for_text(&self, seconds: u64, enough: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            let text = self.text();
            if enough(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "after {seconds} s on {}:\n{text}", self.url());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until the page at such an address is there as a whole; its text. Address and text are
    /// read in one go: in two, the address may be that of a page that comes in between.
    pub fn wait_for_page(&self, seconds: u64, is_it: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            let seen = self.run(
                "return [location.href, document.readyState, document.body ? document.body.innerText : '']",
            );
            let word = |at: usize| seen[at].as_str().unwrap_or_default().to_owned();
            let (url, state, text) = (word(0), word(1), word(2));
            if state == "complete" && is_it(&url) {
                return text;
            }
            assert!(Instant::now() < deadline, "after {seconds} s on {url} ({state}):\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The page as it stands, as HTML.
    pub fn html(&self) -> String {
        let html = self.run("return document.documentElement.outerHTML");
        html.as_str().expect("a text").to_owned()
    }

    /// The first cookie whose name begins so, as `name=value`; scripts may be kept from it.
    pub fn cookie(&self, begins: &str) -> String {
        let cookies = self.get("/cookie");
        let mut cookies = cookies.as_array().expect("a list").iter();
        let word = |cookie: &Value, part: &str| cookie[part].as_str().unwrap_or("").to_owned();
        let cookie = cookies.find(|cookie| word(cookie, "name").starts_with(begins));
        let cookie = cookie.unwrap_or_else(|| panic!("no cookie {begins} on {}", self.url()));
        format!("{}={}", word(cookie, "name"), word(cookie, "value"))
    }

    /// Runs a script in the page (works with scripts off, too) and answers its value.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Nothing sticks out of a window of this width.
    pub fn assert_fits(&self, width: u32) {
        let wide = self.run("return document.documentElement.scrollWidth");
        let wide = wide.as_u64().expect("a number");
        assert!(wide <= u64::from(width), "{} is {wide} wide, not {width}", self.url());
    }

    /// Writes a picture of the window to `target/screenshots/NAME.png`.
    pub fn screenshot(&self, name: &str) {
        let coded = self.get("/screenshot");
        let picture = STANDARD.decode(coded.as_str().expect("a picture")).expect("base64");
        let folder = target_dir().join("screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("a picture");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = request("DELETE", &self.session, &[], b"");
    }
}

impl Element<'_> {
    fn path(&self, tail: &str) -> String {
        format!("/element/{}{tail}", self.id)
    }

    /// Clicks.
    pub fn click(&self) {
        self.browser.post(&self.path("/click"), &json!({}));
    }

    /// Types into it, in place of what it held.
    pub fn fill(&self, text: &str) {
        self.browser.post(&self.path("/clear"), &json!({}));
        self.browser.post(&self.path("/value"), &json!({"text": text}));
    }

    /// Chooses a file in a file field.
    pub fn choose(&self, file: &Path) {
        self.browser.post(&self.path("/value"), &json!({"text": file.to_string_lossy()}));
    }

    /// Visible text.
    pub fn text(&self) -> String {
        self.browser.get(&self.path("/text")).as_str().unwrap_or_default().to_owned()
    }

    /// An attribute, or a property such as `checked`.
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.browser.get(&self.path(&format!("/attribute/{name}"))).as_str().map(str::to_owned)
    }
}

fn call(method: &str, url: &str, body: &Value) -> Value {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let headers = [("content-type", "application/json")];
    let answer = request(method, url, &headers, text.as_bytes());
    let answer = answer.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
    assert_eq!(answer.status, 200, "{method} {url} {text}: {}", answer.text());
    answer.json()["value"].clone()
}
