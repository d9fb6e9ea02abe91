//! What a form was filled in with, and what is wrong with it.

/// What a form was filled in with, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Filled {
    /// Names and values as typed; passwords are not among them.
    pub values: Vec<(String, String)>,
    /// What is wrong, in the order of the form.
    pub errors: Vec<FieldError>,
    /// Servers that were found from the address.
    pub found: Vec<Found>,
}

/// A server that was found for one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `source` or `destination`.
    pub side: String,
    /// The provider's name, where it is a known one.
    pub provider: Option<String>,
    /// What the owner has to know first: the hint's name; its sentence is in the catalogue.
    pub hint: Option<String>,
    /// Where a password for applications is made.
    pub app_password_url: Option<String>,
}

/// One thing that is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field; empty where it is the form as a whole.
    pub field: String,
    /// The refusal's code; its sentence is in the catalogue.
    pub code: &'static str,
    /// What the server or the check said, in its own words.
    pub said: Option<String>,
}

impl Filled {
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.values.iter().any(|(key, given)| key == name && given == value)
    }

    pub(crate) fn touches(&self, names: &[&str]) -> bool {
        names.iter().any(|name| !self.value(name).is_empty() || self.error(name).is_some())
    }

    pub(crate) fn error(&self, name: &str) -> Option<&FieldError> {
        self.errors.iter().find(|error| error.field == name)
    }
}
