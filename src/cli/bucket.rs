//! The public bucket that submitted data is uploaded to, but for its key pair.

use clap::Args;

/// The key pair is S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, of the environment or of `.env`: it is never an argument.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Bucket (its key pair: S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY)")]
pub struct BucketArgs {
    /// The bucket that submitted data is uploaded to. It must be public to read: validators download the data from it.
    #[arg(long, value_name = "NAME")]
    pub bucket: Option<String>,
    /// Address of the S3 service [default: AWS itself].
    #[arg(long, value_name = "URL")]
    pub bucket_endpoint_url: Option<String>,
    /// Its region [default: us-east-1, which most services other than AWS take].
    #[arg(long, value_name = "REGION")]
    pub bucket_region: Option<String>,
    /// What the bucket's objects are called in public: URL/key.
    #[arg(long, value_name = "URL")]
    pub bucket_public_url: Option<String>,
}
