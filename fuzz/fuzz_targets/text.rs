//! Text of strangers: keys and mnemonics, addresses, ids, digests, amounts, URLs of manifests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;
use somascope::{
    chain::{keys::Keypair, types::Manifest},
    primitives::{Address, Digest, ObjectId, Shannons},
};

fuzz_target!(|text: &str| {
    let secret = SecretString::from(text.to_owned());
    if let Ok(key) = Keypair::from_text(&secret) {
        assert!(Keypair::from_text(&key.to_bech32()).is_ok_and(|again| again.address() == key.address()));
    }
    let _ = Keypair::from_mnemonic(&secret);
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    if let Ok(id) = text.parse::<ObjectId>() {
        assert_eq!(id.to_hex_prefixed().parse(), Ok(id));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }
    let _ = text.parse::<Shannons>();
    if let Ok(manifest) = Manifest::new(text, Digest([1; 32]), 1) {
        // Normalising twice changes nothing: nodes parse it again.
        assert!(Manifest::new(manifest.url(), Digest([1; 32]), 1).is_ok_and(|again| again.url() == manifest.url()));
    }
});
