//! [`object!`]: an object of the API, its reader and its schema from the same lines.

/// An object of the API. A field's word says how it is read:
///
/// - `need`: it must be there;
/// - `may`: it may be left out, or be `null`;
/// - `set`: it may be left out, then it stays as it is; it cannot be `null`;
/// - `change`: as `set`, but `null` takes away what was there.
///
/// Every field is an `Option` once it is read, since what is wrong with one does not keep the others
/// from being looked at; of `change` it is an `Option` of an `Option`.
macro_rules! object {
    ($(#[doc = $about:literal])* pub struct $name:ident {
        $($(#[doc = $doc:literal])* $kind:ident $field:ident: $type:ty,)*
    }) => {
        $(#[doc = $about])*
        #[derive(Debug)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $crate::reading::object::held!($kind, $type),)*
        }

        impl $crate::reading::FromJson for $name {
            fn from_json(
                errors: &mut $crate::reading::Errors,
                pointer: &str,
                value: serde_json::Value,
            ) -> Option<Self> {
                let mut object = $crate::reading::Object::new(errors, pointer, value)?;
                let read = $name {
                    $($field: object.$kind::<$type>(errors, $crate::reading::object::name!($field)),)*
                };
                object.finish(errors);
                Some(read)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let name = $crate::reading::object::name!($field);
                    let schema = $crate::reading::object::schema!(generator, $kind, $type);
                    let about = concat!($($doc,)* "").trim();
                    properties.insert(name.to_owned(), $crate::reading::object::told(schema, about));
                    required.extend((stringify!($kind) == "need").then_some(name));
                )*
                schemars::json_schema!({
                    "type": "object",
                    "description": concat!($($about,)* "").trim(),
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                })
            }
        }
    };
}

/// What a field of such a kind holds.
macro_rules! held {
    (change, $type:ty) => { Option<Option<$type>> };
    ($kind:ident, $type:ty) => { Option<$type> };
}

/// The schema of a field of such a kind.
macro_rules! schema {
    ($generator:ident, need, $type:ty) => {
        $generator.subschema_for::<$type>()
    };
    ($generator:ident, set, $type:ty) => {
        $generator.subschema_for::<$type>()
    };
    ($generator:ident, $kind:ident, $type:ty) => {
        $generator.subschema_for::<Option<$type>>()
    };
}

/// The field's name in JSON: `r#type` is `type`.
macro_rules! name {
    ($field:ident) => {
        stringify!($field).trim_start_matches("r#")
    };
}

pub(crate) use {held, name, object, schema};

/// A schema with what the field is for.
pub(crate) fn told(mut schema: schemars::Schema, about: &str) -> serde_json::Value {
    if !about.is_empty() {
        schema.insert("description".to_owned(), about.into());
    }
    schema.to_value()
}
