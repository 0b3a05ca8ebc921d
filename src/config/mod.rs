//! What can be set, and what a configuration file says of it.
//!
//! One table ([`SETTINGS`]) ties each setting's place in the file to an option of the command line and to an environment variable; what it
//! means, its default and which values it takes are read off the option itself. File, template, schema and the precedence of the layers come
//! from these two.
//!
//! Knows `app` (its actions and keys) and `primitives`. Never reads a file or the environment, and never holds a secret: texts come in,
//! values and problems go out.

mod facts;
mod file;
mod layers;
mod schema;
mod settings;
mod template;

pub use facts::{Facts, documented};
pub use file::{Binding, Entry, File, Problem, keymap};
pub use layers::{Layers, Origin, Value, Variable};
pub use schema::schema;
pub use settings::{Kind, SECTIONS, SETTINGS, Setting, applies};
pub use template::{filled, template};
