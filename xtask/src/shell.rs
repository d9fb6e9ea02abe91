//! Running programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a step leaves: nothing, or a sentence on what went wrong.
pub(crate) type Done<T = ()> = Result<T, String>;

/// A program and how it is run.
pub(crate) struct Step {
    command: Command,
    words: Vec<String>,
}

impl Step {
    /// A program without arguments, run in the repository.
    pub(crate) fn new(program: &str) -> Self {
        let mut command = Command::new(program);
        command.current_dir(repository());
        Step { command, words: vec![program.to_owned()] }
    }

    /// The cargo that runs this.
    pub(crate) fn cargo() -> Self {
        let mut step = Step::new(&std::env::var("CARGO").unwrap_or("cargo".to_owned()));
        step.words = vec!["cargo".to_owned()];
        step
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self.words.push(argument.to_owned());
        self
    }

    /// Adds arguments.
    pub(crate) fn args<T: AsRef<str>>(self, arguments: impl IntoIterator<Item = T>) -> Self {
        arguments.into_iter().fold(self, |step, argument| step.arg(argument.as_ref()))
    }

    /// Sets a variable of the environment.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in another folder.
    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Shows the command, runs it, and fails where it fails.
    pub(crate) fn run(mut self) -> Done {
        eprintln!("\n== {}", self.words.join(" "));
        let status = self.command.status().map_err(|error| self.not_started(&error))?;
        if status.success() { Ok(()) } else { Err(format!("{}: {status}", self.words.join(" "))) }
    }

    /// Runs it in silence and returns its standard output.
    pub(crate) fn output(mut self) -> Done<String> {
        let output = self.command.output().map_err(|error| self.not_started(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}\n{said}", self.words.join(" "), output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether it runs and succeeds; nothing is shown.
    pub(crate) fn succeeds(mut self) -> bool {
        let silent = self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        silent.status().is_ok_and(|status| status.success())
    }

    /// Starts it and goes on.
    pub(crate) fn start(mut self) -> Done<std::process::Child> {
        self.command.spawn().map_err(|error| self.not_started(&error))
    }

    /// The command, for what is rarely needed.
    pub(crate) fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Runs it in place of this process, so that signals reach it alone.
    #[cfg(unix)]
    pub(crate) fn become_it(mut self) -> Done {
        let error = std::os::unix::process::CommandExt::exec(&mut self.command);
        Err(self.not_started(&error))
    }

    /// Runs it to its end.
    #[cfg(not(unix))]
    pub(crate) fn become_it(self) -> Done {
        self.run()
    }

    fn not_started(&self, error: &std::io::Error) -> String {
        format!("{} cannot be run: {error}", self.words.join(" "))
    }
}

/// The root of the repository: of the clone this was started in, which is not always the clone
/// it was built in where several share a target folder.
pub(crate) fn repository() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let own = own.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned());
    own.parent().unwrap_or(&own).to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => repository().join(folder),
        None => repository().join("target"),
    }
}

/// Whether this user may install packages.
pub(crate) fn is_root() -> bool {
    Step::new("id").arg("-u").output().is_ok_and(|id| id.trim() == "0")
}
