//! Texts that are keys and tokens by the form that their issuers gave them.

type Alphabet = fn(u8) -> bool;

/// A prefix and what must follow it.
struct Token {
    what: &'static str,
    prefix: &'static [u8],
    alphabet: Alphabet,
    /// Bytes of the alphabet that must follow; where the form is longer than this, more do.
    body: usize,
    /// No byte of the alphabet follows: the length is exact.
    exact: bool,
}

const fn token(what: &'static str, prefix: &'static [u8], alphabet: fn(u8) -> bool, body: usize, exact: bool) -> Token {
    Token { what, prefix, alphabet, body, exact }
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}
fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
/// Base64 for URLs.
fn url(byte: u8) -> bool {
    word(byte) || byte == b'-'
}
fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}
fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}
fn bech32(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}
fn path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'/'
}
fn slack(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

const TOKENS: &[Token] = &[
    token("an AWS access key", b"AKIA", upper, 16, true),
    token("an AWS access key", b"ASIA", upper, 16, true),
    token("a GitHub token", b"ghp_", alphanumeric, 36, false),
    token("a GitHub token", b"gho_", alphanumeric, 36, false),
    token("a GitHub token", b"ghu_", alphanumeric, 36, false),
    token("a GitHub token", b"ghs_", alphanumeric, 36, false),
    token("a GitHub token", b"ghr_", alphanumeric, 36, false),
    token("a GitHub token", b"github_pat_", word, 60, false),
    token("a GitLab token", b"glpat-", url, 20, false),
    token("a Slack token", b"xoxb-", slack, 24, false),
    token("a Slack token", b"xoxp-", slack, 24, false),
    token("a Slack token", b"xoxa-", slack, 24, false),
    token("a Slack token", b"xoxr-", slack, 24, false),
    token("a Slack token", b"xoxs-", slack, 24, false),
    token("a Slack token", b"xapp-1-", slack, 24, false),
    token("a Slack webhook", b"https://hooks.slack.com/services/T", path, 40, false),
    token("a Google API key", b"AIza", url, 35, true),
    token("a Google client secret", b"GOCSPX-", url, 28, true),
    token("a Google access token", b"ya29.", url, 60, false),
    token("a Hugging Face token", b"hf_", alphanumeric, 34, true),
    token("an OpenAI key", b"sk-proj-", url, 40, false),
    token("an OpenAI key", b"sk-svcacct-", url, 40, false),
    token("an OpenAI key", b"sk-", alphanumeric, 48, true),
    token("an Anthropic key", b"sk-ant-", url, 40, false),
    token("a Stripe key", b"sk_live_", alphanumeric, 24, false),
    token("a Stripe key", b"rk_live_", alphanumeric, 24, false),
    token("an npm token", b"npm_", alphanumeric, 36, true),
    token("a PyPI token", b"pypi-AgEIcHlwaS5vcmc", url, 40, false),
    token("a SOMA key", b"somaprivkey1", bech32, 50, false),
    token("a Sui key", b"suiprivkey1", bech32, 50, false),
    token("an extended private key", b"xprv", alphanumeric, 107, true),
];

/// Texts that are enough by themselves.
const MARKS: &[(&str, &[u8])] = &[
    ("a private key", b"PRIVATE KEY-----"),
    ("a private key", b"PRIVATE KEY BLOCK-----"),
    ("a private key", b"PuTTY-User-Key-File-"),
    ("a wallet", b"\"format\":\"somascope-wallet\""),
];

/// Names of variables whose value is a secret, in lower case, with what the value is made of and its length.
const VARIABLES: &[(&str, &[u8], Alphabet, usize)] = &[
    ("an AWS secret key", b"aws_secret_access_key", base64, 40),
    ("a bucket's secret key", b"s3_secret_access_key", base64, 32),
    ("a SOMA key", b"soma_secret_key", alphanumeric, 64),
];

/// Bytes that something above can begin with.
const STARTS: [bool; 256] = {
    let mut starts = [false; 256];
    let mut at = 0;
    while at < TOKENS.len() {
        starts[TOKENS[at].prefix[0] as usize] = true;
        at += 1;
    }
    at = 0;
    while at < MARKS.len() {
        starts[MARKS[at].1[0] as usize] = true;
        at += 1;
    }
    at = 0;
    while at < VARIABLES.len() {
        starts[VARIABLES[at].1[0] as usize] = true;
        starts[VARIABLES[at].1[0].to_ascii_uppercase() as usize] = true;
        at += 1;
    }
    // JSON web tokens.
    starts[b'e' as usize] = true;
    starts
};

/// The kind of the first secret.
pub(super) fn find(bytes: &[u8]) -> Option<&'static str> {
    let mut before = b' ';
    for (at, byte) in bytes.iter().enumerate() {
        if STARTS[usize::from(*byte)]
            && let Some(kind) = at_start(&bytes[at..], !word(before))
        {
            return Some(kind);
        }
        before = *byte;
    }
    None
}

/// `is_apart`: what lies before is no part of a word.
fn at_start(text: &[u8], is_apart: bool) -> Option<&'static str> {
    if let Some((kind, _)) = MARKS.iter().find(|(_, mark)| text.starts_with(mark)) {
        return Some(kind);
    }
    for (kind, name, alphabet, len) in VARIABLES {
        if text.len() > name.len() && text[..name.len()].eq_ignore_ascii_case(name) {
            let rest = &text[name.len()..];
            let between = rest.iter().take(8).take_while(|byte| b" \t=:\"'".contains(byte)).count();
            let value = rest[between..].strip_prefix(b"0x").unwrap_or(&rest[between..]);
            if between > 0 && run(value, *alphabet, *len) >= *len && is_varied(&value[..*len]) {
                return Some(kind);
            }
        }
    }
    if !is_apart {
        return None;
    }
    for token in TOKENS {
        if let Some(rest) = text.strip_prefix(token.prefix) {
            let found = run(rest, token.alphabet, token.body + 1);
            let fits = found == token.body || (!token.exact && found > token.body);
            if fits && is_varied(&rest[..token.body]) {
                return Some(token.what);
            }
        }
    }
    is_signed_jwt(text).then_some("a signed JSON web token")
}

/// Bytes of an alphabet at the start, counted up to a limit.
fn run(text: &[u8], alphabet: fn(u8) -> bool, limit: usize) -> usize {
    text.iter().take(limit).take_while(|byte| alphabet(**byte)).count()
}

/// Not a stand-in: `xxxx…`, `1234…`, `…EXAMPLE`. Random text of 16 signs or more has hardly ever fewer than eight different ones.
fn is_varied(body: &[u8]) -> bool {
    let mut seen = [false; 256];
    body.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let has = |part: &[u8]| body.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    seen.iter().filter(|seen| **seen).count() >= 8 && !has(b"EXAMPLE") && !has(b"123456789") && !has(b"xxxxxx")
}

/// Two parts that are JSON objects in Base64, and a signature.
fn is_signed_jwt(text: &[u8]) -> bool {
    let part = |text: &[u8]| run(text, url, 4096);
    let Some(rest) = text.strip_prefix(b"eyJ") else { return false };
    let header = part(rest);
    let Some(rest) = rest[header..].strip_prefix(b".eyJ").filter(|_| header >= 10) else { return false };
    let claims = part(rest);
    let Some(signature) = rest[claims..].strip_prefix(b".").filter(|_| claims >= 7) else { return false };
    part(signature) >= 32
}

/// Key stores, told by how the file begins.
pub(super) fn find_store(bytes: &[u8]) -> Option<&'static str> {
    let start = &bytes[..bytes.len().min(4096)];
    let text = start.trim_ascii_start();
    // The network's keystore (`protocol.md §3`): a JSON array of Base64 of a scheme's byte, which is 0, and a secret.
    if let Some(list) = text.strip_prefix(b"[") {
        let entry = list.trim_ascii_start();
        if let Some(entry) = entry.strip_prefix(b"\"A")
            && run(entry, base64, 44) == 42
            && entry[0].is_ascii_uppercase()
            && entry[0] <= b'P'
            && entry[42..].starts_with(b"=\"")
        {
            return Some("a key store of the network's command line");
        }
    }
    let has = |part: &[u8]| start.windows(part.len()).any(|window| window == part);
    if text.starts_with(b"{") && has(b"\"ciphertext\"") && (has(b"\"kdfparams\"") || has(b"\"kdf\"")) {
        return Some("an encrypted wallet");
    }
    // A Java key store, a KeePass database, OpenSSL's salted files.
    let binary: [&[u8]; 3] = [b"\xfe\xed\xfe\xed", b"\x03\xd9\xa2\x9a", b"Salted__"];
    binary.iter().any(|mark| start.starts_with(mark)).then_some("a key store")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made at run time, so that this file holds nothing of the kind.
    fn body(len: usize) -> String {
        "q7Zk2WvN9xRbT4mYc8HsJ5dLf3GpAeU6".chars().cycle().take(len).collect()
    }

    #[test]
    fn tokens_of_every_issuer_are_seen() {
        let upper = body(40).to_uppercase();
        for text in [
            format!("AKIA{}", &upper[..16]),
            format!("key = \"ghp_{}\"", body(36)),
            format!("github_pat_{}", body(82)),
            format!("xoxb-{}-{}", "482910573846", body(24)),
            format!("AIza{}", body(35)),
            format!("HF_TOKEN=hf_{}", body(34)),
            format!("sk-{}", body(48)),
            format!("sk-proj-{}", body(64)),
            format!("//registry.example/:_authToken=npm_{}", body(36)),
            format!("Bearer eyJ{}.eyJ{}.{}", body(17), body(40), body(43)),
            format!("aws_secret_access_key = {}", body(40)),
            format!("\"AWS_SECRET_ACCESS_KEY\": \"{}\"", body(40)),
            format!("SOMA_SECRET_KEY=0x{}", "3fa94c1be07d2856".repeat(4)),
            format!("somaprivkey1{}", body(59).to_lowercase()),
            "-----BEGIN RSA PRIVATE ".to_owned() + "KEY-----",
            "-----BEGIN PGP PRIVATE ".to_owned() + "KEY BLOCK-----",
        ] {
            assert!(find(text.as_bytes()).is_some(), "{text}");
            assert!(find(format!("some text before, {text} and after").as_bytes()).is_some(), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_token_is_none() {
        for text in [
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            "export HF_TOKEN=hf_...".to_owned(),
            format!("hf_{}", "x".repeat(34)),
            format!("hf_{}", body(12)),
            format!("task-{}", body(48)),
            format!("mask_ghp_{}", body(36)),
            "secret = os.environ['AWS_SECRET_ACCESS_KEY']".to_owned(),
            "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            "SOMA_SECRET_KEY=".to_owned(),
            "the form is somaprivkey1… in bech32".to_owned(),
            "-----BEGIN PUBLIC KEY-----".to_owned(),
            format!("eyJ{}.eyJ{}.", body(17), body(40)),
            format!("sha256-{}", body(43)),
            "sk-learn and sk-image".to_owned(),
        ] {
            assert_eq!(find(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn key_stores_are_told_by_their_layout() {
        let entry = format!("[\n  \"AK{}=\"\n]", body(41));
        assert!(find_store(entry.as_bytes()).is_some());
        assert_eq!(find_store(format!("[\"zz{}=\"]", body(41)).as_bytes()), None);
        assert!(find_store(br#"{"crypto":{"ciphertext":"00","kdfparams":{}}}"#).is_some());
        assert_eq!(find_store(br#"{"name":"ciphertext"}"#), None);
        assert!(find_store(b"\xfe\xed\xfe\xed\0\0\0\x02").is_some());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_and_plain_words_are_no_secret(bytes: Vec<u8>, words in "([a-z]{1,12} ){0,40}") {
            let _ = (find(&bytes), find_store(&bytes));
            proptest::prop_assert_eq!(find(words.as_bytes()), None);
        }
    }
}
