//! What was answered so far.

use secrecy::SecretString;

use super::SecretLine;
use crate::{app::TextField, primitives::Address};

/// The bucket's variables, as `.env.example` explains them.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    pub name: TextField,
    pub access_key_id: TextField,
    pub secret_access_key: SecretLine,
    pub endpoint_url: TextField,
    pub region: TextField,
    pub public_url: TextField,
}

impl Bucket {
    /// Names of the variables, with what was typed for those that are no secret.
    pub fn texts(&self) -> [(&'static str, &TextField); 5] {
        [
            ("S3_BUCKET", &self.name),
            ("S3_ACCESS_KEY_ID", &self.access_key_id),
            ("S3_ENDPOINT_URL", &self.endpoint_url),
            ("AWS_REGION", &self.region),
            ("S3_PUBLIC_URL", &self.public_url),
        ]
    }

    pub fn secret(&self) -> SecretString {
        self.secret_access_key.secret()
    }

    /// The first of the variables that are needed and were not given.
    pub fn missing(&self) -> Option<&'static str> {
        let empty = |field: &TextField| field.text().trim().is_empty();
        if empty(&self.name) {
            Some("S3_BUCKET")
        } else if empty(&self.access_key_id) {
            Some("S3_ACCESS_KEY_ID")
        } else if self.secret_access_key.is_empty() {
            Some("S3_SECRET_ACCESS_KEY")
        } else if empty(&self.public_url) {
            Some("S3_PUBLIC_URL")
        } else {
            None
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// `testnet`, `devnet`, or a node's URL.
    pub network: String,
    /// A node's URL while it is typed.
    pub node: TextField,
    /// `None`: read-only.
    pub address: Option<Address>,
    /// There is a key, and somewhere to upload to: what hits can be submitted.
    pub can_submit: bool,
    /// `None`: not asked for, or left out.
    pub bucket: Option<Bucket>,
    pub typed_bucket: Bucket,
    /// It was tried as a submission would.
    pub bucket_is_good: bool,
    /// What `--data` takes, several with commas between.
    pub data: TextField,
}

impl Answers {
    pub fn sources(&self) -> Vec<String> {
        // Its languages have commas between them.
        if self.data.text().trim().starts_with("stack-v2:") {
            return vec![self.data.text().trim().to_owned()];
        }
        let sources = self.data.text().split(',').map(str::trim).filter(|source| !source.is_empty());
        sources.map(ToOwned::to_owned).collect()
    }
}
