//! How much of what was scored is kept, and what may be made of it.

use clap::Args;

use crate::engine::Compose;

#[derive(Args, Clone, Copy, Debug)]
pub struct LibraryArgs {
    /// Keep so many GiB of scores on disk, so that new targets are answered by what was scored before; the oldest leave first.
    #[arg(long, value_name = "GIB", default_value = "8", value_parser = gib)]
    library: u64,
    /// For targets that no single sample reaches, put windows of 1,024 bytes together (not with --pieces whole or a larger --window): off; same-source, windows of one file
    /// or record; or any.
    #[arg(long, value_name = "FROM", default_value_t)]
    compose: Compose,
}

impl LibraryArgs {
    pub fn compose(self) -> Compose {
        self.compose
    }

    pub fn bytes(self) -> u64 {
        self.library
    }
}

fn gib(text: &str) -> Result<u64, String> {
    let amount: f64 = text.parse().map_err(|_| "not a number of GiB, such as 8 or 0.5".to_owned())?;
    let bytes = amount * (1u64 << 30) as f64;
    match (0.0..(1u64 << 50) as f64).contains(&bytes) {
        true => Ok(bytes as u64),
        false => Err(format!("not between 0 and {} GiB", 1u64 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::LIBRARY_BYTES;

    #[test]
    fn gib_are_any_sensible_number_and_the_default_is_the_engines() {
        assert_eq!(gib("8"), Ok(LIBRARY_BYTES));
        assert_eq!((gib("0.5"), gib("0")), (Ok(1 << 29), Ok(0)));
        for wrong in ["", "8G", "-1", "NaN", "inf", "1e30"] {
            assert!(gib(wrong).is_err(), "{wrong}");
        }
    }
}
