//! What the README says that the program knows better.

use somascope::app::actions::key_table;

const START: &str = "<!-- keys: written by `UPDATE_KEYS=1 cargo test --test readme` -->\n";
const END: &str = "<!-- end of keys -->";

/// `UPDATE_KEYS=1` writes the table instead.
#[test]
fn the_keys_in_the_readme_are_those_of_the_registry() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).expect("the README is there");
    let (before, rest) = readme.split_once(START).expect("a start of the keys");
    let (written, after) = rest.split_once(END).expect("an end of the keys");
    let table = format!("\n{}\n", key_table());
    if std::env::var_os("UPDATE_KEYS").is_some() {
        std::fs::write(path, format!("{before}{START}{table}{END}{after}")).expect("the README can be written");
    } else {
        assert_eq!(written, table, "run `UPDATE_KEYS=1 cargo test --test readme`");
    }
}
