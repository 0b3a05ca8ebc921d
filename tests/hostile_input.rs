//! Text and weights of strangers: no input panics, none is believed about its size, and what is printed reads back.

use proptest::{collection::vec, prelude::*};
use secrecy::{ExposeSecret, SecretString};
use somascope::{
    chain::{keys::Keypair, types::Manifest},
    model::Model,
    primitives::{Address, Digest, ObjectId, Shannons},
};

/// Text that begins like something of ours, or like nothing.
fn text() -> impl Strategy<Value = String> {
    let start = prop_oneof![Just(""), Just("0x"), Just("somaprivkey1"), Just("AA"), Just("abandon "), Just(" ")];
    (start, prop_oneof!["\\PC{0,80}", "[0-9a-fA-F]{0,70}", "[1-9A-HJ-NP-Za-km-z]{0,50}", "[a-z0-9]{0,60}"])
        .prop_map(|(start, rest)| format!("{start}{rest}"))
}

/// A safetensors file: the length of its header, the header, the data.
fn safetensors(claimed: u64, header: &[u8], data: &[u8]) -> Vec<u8> {
    [&claimed.to_le_bytes()[..], header, data].concat()
}

proptest! {
    #[test]
    fn no_text_panics_a_parser(text in text()) {
        let secret = SecretString::from(text.clone());
        let error = Keypair::from_text(&secret).err();
        if let Some(error) = error.filter(|_| text.trim().len() > 12) {
            prop_assert!(!error.to_string().contains(text.trim()), "{error} repeats what was given");
        }
        let _ = Keypair::from_mnemonic(&secret);
        let _ = (text.parse::<Address>(), text.parse::<ObjectId>(), text.parse::<Digest>(), text.parse::<Shannons>());
        let _ = Manifest::new(&text, Digest([1; 32]), 1);
    }

    #[test]
    fn what_is_printed_reads_back(bytes: [u8; 32], shannons: u64) {
        let (address, id, digest) = (Address(bytes), ObjectId(bytes), Digest(bytes));
        prop_assert_eq!(address.to_string().parse(), Ok(address));
        prop_assert_eq!(id.to_hex_prefixed().parse(), Ok(id));
        let stripped = id.to_string();
        let stripped = stripped.trim_start_matches('0');
        prop_assert_eq!(format!("0x{}", if stripped.is_empty() { "0" } else { stripped }).parse(), Ok(id));
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        // An amount prints with its unit, and is read with or without it.
        let printed = Shannons(shannons).to_string();
        let number = printed.trim_end_matches(" SOMA").replace(['_', ',', ' '], "");
        prop_assert_eq!(number.parse::<Shannons>().ok(), Some(Shannons(shannons)), "{}", printed);

        let key = Keypair::from_seed(bytes);
        for form in [key.to_bech32(), key.to_keystore_entry(), SecretString::from(hex::encode(bytes))] {
            let again = Keypair::from_text(&form).map(|key| key.address());
            prop_assert_eq!(again, Ok(key.address()), "{}", form.expose_secret().len());
        }
    }

    #[test]
    fn no_bytes_are_weights_by_chance(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(Model::from_safetensors(&bytes, None).is_err());
        prop_assert!(Model::from_safetensors(&safetensors(bytes.len() as u64, &bytes, &[]), None).is_err());
    }

    /// A header that claims more than there is: nothing of that size is allocated, or this would not end.
    #[test]
    fn a_claimed_size_is_not_believed(claimed: u64, dim in any::<u64>(), end: u64, data in vec(any::<u8>(), 0..64)) {
        let tensor = |shape: &str| format!(r#"{{"embedding.weight":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#);
        for shape in [format!("[{dim},{dim}]"), format!("[264,{dim}]"), "[0,0]".to_owned(), format!("[{dim}]")] {
            let header = tensor(&shape);
            prop_assert!(Model::from_safetensors(&safetensors(claimed, header.as_bytes(), &data), None).is_err());
            let honest = safetensors(header.len() as u64, header.as_bytes(), &data);
            prop_assert!(Model::from_safetensors(&honest, None).is_err());
        }
    }
}
