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

/// `UPDATE_PICTURE=1 cargo test --test stories` takes them.
#[test]
fn every_picture_that_is_there_is_shown_and_every_one_that_is_shown_is_there() {
    let root = env!("CARGO_MANIFEST_DIR");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).expect("the README is there");
    let files = std::fs::read_dir(format!("{root}/assets/screens")).expect("there are pictures").flatten();
    let mut there: Vec<String> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    let mut shown: Vec<String> =
        readme.split("](assets/screens/").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect();
    there.sort();
    shown.sort();
    assert_eq!(there, shown);
}
