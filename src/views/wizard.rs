//! The first run: a step on a screen, its rows, and what was found out.

use ratatui::{
    buffer::Buffer,
    text::{Line, Span},
};

use super::{
    panes::Ink,
    rect,
    text::{clean, fit, width, wrap},
    theme::Palette,
};
use crate::app::{
    TextField,
    layout::{Area, Frame},
    wizard::{Choice, Field, Finding, Row, Step, Verdict, Wizard},
};

/// Columns of a name, at least.
const NAME: usize = 18;

/// Draws the whole screen into `buffer`.
pub fn draw_wizard(wizard: &Wizard, palette: Palette, buffer: &mut Buffer) {
    let ink = &mut Ink::with(wizard.look, palette, buffer);
    let Frame { header, body, footer } = Frame::of(wizard.size);
    let at = |area: Area| rect(area);
    ink.line(
        at(header),
        0,
        &Line::from(vec![Span::styled("somascope", ink.theme.strong()), Span::raw("  first steps")]),
    );
    ink.line(at(header), 1, &trail(wizard, ink));
    let inner = ink.pane("", title(wizard.step), String::new(), true, at(body));
    let columns = usize::from(inner.width);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for sentence in said(wizard) {
        lines.extend(wrap(&sentence, columns).into_iter().map(Line::raw));
    }
    lines.push(Line::default());
    let first_row = lines.len();
    let mut cursor_line = first_row;
    let rows = wizard.rows();
    let name = rows.iter().map(|row| name_width(wizard, *row)).fold(NAME, usize::max);
    for (at, row) in rows.into_iter().enumerate() {
        if at == wizard.row {
            cursor_line = lines.len();
        }
        lines.push(row_line(wizard, row, at == wizard.row, (name, columns), ink));
    }
    lines.push(Line::default());
    if let Some(busy) = wizard.busy {
        lines.push(Line::styled(format!("{busy}{}", ink.theme.glyphs.ellipsis), ink.theme.attention()));
    }
    for finding in &wizard.findings {
        lines.extend(finding_lines(finding, columns, ink));
    }
    // Too small for all of it: what is under the cursor stays in sight, with what follows it.
    let height = usize::from(inner.height);
    let skip = if lines.len() <= height { 0 } else { cursor_line.saturating_sub(height / 2).min(lines.len() - height) };
    ink.lines(inner, &lines[skip..]);
    let keys = match wizard.busy {
        Some(_) => "Ctrl-C leaves",
        None => "arrows move  Enter chooses  Esc goes back  Ctrl-C leaves",
    };
    ink.line(at(footer), 0, &Line::styled(keys, ink.theme.dim()));
}

fn title(step: Step) -> &'static str {
    match step {
        Step::Welcome => "Welcome",
        Step::Network => "Network",
        Step::Key => "Key",
        Step::NewKey => "New key",
        Step::ImportKey => "Your key",
        Step::Faucet => "Money",
        Step::Bucket => "Bucket",
        Step::Data => "Data",
        Step::Review => "Write it down",
        Step::Written => "Ready",
    }
}

/// The steps, with the one that it is about.
fn trail(wizard: &Wizard, ink: &Ink<'_>) -> Line<'static> {
    let here = match wizard.step {
        Step::Welcome => return Line::default(),
        Step::Network => 0,
        Step::Key | Step::NewKey | Step::ImportKey | Step::Faucet => 1,
        Step::Bucket => 2,
        Step::Data => 3,
        Step::Review => 4,
        Step::Written => 5,
    };
    let mut spans = Vec::new();
    for (at, name) in ["network", "key", "bucket", "data", "write"].into_iter().enumerate() {
        spans.push(match at {
            2 if here > 2 && !wizard.has_bucket() => {
                Span::styled(format!("{} {name}  ", ink.theme.glyphs.minus), ink.theme.dim())
            }
            at if at < here => Span::styled(format!("{} {name}  ", ink.theme.glyphs.good), ink.theme.good()),
            at if at == here => Span::styled(format!("{} {name}  ", ink.theme.glyphs.selected), ink.theme.focus()),
            _ => Span::styled(format!("{} {name}  ", ink.theme.glyphs.dot), ink.theme.dim()),
        });
    }
    Line::from(spans)
}

fn said(wizard: &Wizard) -> Vec<String> {
    let sentences: &[&str] = match wizard.step {
        Step::Welcome => &[
            "SOMA trains a foundation model by competition. It publishes targets, points in embedding space; you find data that \
             comes near enough to one under its best model, upload it, and are paid two epochs later.",
            "",
            "You can see the whole game on a network inside this program first: nothing to register, no money, nothing leaves this \
             machine. Or set it up for a network, step by step; nothing that is there already is overwritten.",
        ],
        Step::Network => &["Which network? Nothing is signed and nothing is sent but a question for its name."],
        Step::Key => &[
            "Submissions and claims are signed with a key. It is kept encrypted on this machine; in the mode that is set up here, \
             nothing is signed that you have not approved.",
        ],
        Step::NewKey => &[
            "A new key is made and encrypted with a passphrase that only you know: without it the key cannot be used, and nobody \
             can bring it back. `somascope wallet export` makes a copy for a safe place.",
        ],
        Step::ImportKey => {
            &["The key is encrypted with a passphrase that only you know. What you type is not shown and not logged."]
        }
        Step::Faucet => &["Bonds and fees need a little SOMA. This network's faucet gives some away."],
        Step::Bucket => &[
            "Submitted data is uploaded to an S3 bucket of yours that everybody can read: validators download it from there. Nothing \
             else is uploaded. The secret goes into a file that only you can read.",
        ],
        Step::Data => &[
            "What shall be scored? Only what hits is uploaded, in the mode that is set up here only after you approved it. Whatever \
             looks like a secret is refused.",
        ],
        Step::Review => &["This is written. What is there already is kept, never overwritten."],
        Step::Written => &["Done:"],
    };
    let mut said: Vec<String> = sentences.iter().map(|&sentence| sentence.to_owned()).collect();
    match wizard.step {
        Step::Faucet => {
            let balance =
                wizard.balance.map_or_else(|| "not known yet".to_owned(), |balance| format!("{balance} SOMA"));
            if let Some(address) = wizard.answers.address {
                said.extend([String::new(), format!("address  {}", address.to_hex_prefixed())]);
            }
            said.push(format!("balance  {balance}"));
        }
        Step::Key => {
            if let Some(chain) = &wizard.chain {
                said.extend([
                    String::new(),
                    format!(
                        "{} is chain {}, in epoch {}.",
                        clean(&wizard.answers.network),
                        clean(&chain.id),
                        chain.epoch
                    ),
                ]);
            }
        }
        Step::Review => said.extend(review(wizard)),
        Step::Written => said.extend(wizard.written.iter().map(|line| clean(line))),
        _ => {}
    }
    said
}

fn review(wizard: &Wizard) -> Vec<String> {
    let answers = &wizard.answers;
    let (config, is_there) = &wizard.found.config;
    let mut lines = vec![
        String::new(),
        format!("network  {}", clean(&answers.network)),
        match answers.address {
            Some(address) => format!("wallet   {}", address.to_hex_prefixed()),
            None => "wallet   none: read-only, it scores and shows and signs nothing".to_owned(),
        },
        match &answers.bucket {
            Some(bucket) => {
                format!("bucket   {}, public at {}", clean(bucket.name.text()), clean(bucket.public_url.text()))
            }
            None if wizard.chain.as_ref().is_some_and(|chain| chain.has_bucket) => {
                "bucket   the network's own".to_owned()
            }
            None => "bucket   none: nothing can be submitted until there is one".to_owned(),
        },
        format!("data     {}", clean(answers.data.text())),
        match answers.can_submit {
            true => "mode     manual: every submission waits for your approval".to_owned(),
            false => "mode     read-only: it scores and shows, and signs nothing".to_owned(),
        },
        String::new(),
    ];
    lines.push(if *is_there {
        format!(
            "{} is there already and stays as it is; the new one goes beside it, for you to compare.",
            clean(config)
        )
    } else {
        format!("{} gets network, data and mode, and the wallet where it is not the usual one.", clean(config))
    });
    if answers.bucket.is_some() {
        let (variables, set) = &wizard.found.variables;
        let kept = if set.is_empty() { String::new() } else { format!(" Set already, and kept: {}.", set.join(", ")) };
        lines.push(format!("{} gets the bucket's variables, mode 0600.{kept}", clean(variables)));
    }
    lines
}

fn name_width(wizard: &Wizard, row: Row) -> usize {
    match row {
        Row::Choice(choice) => width(&choice_words(wizard, choice).0),
        Row::Field(field) => width(field.label()),
    }
}

/// `name`: the columns of all names of this step, so that what follows them stands in line.
fn row_line(wizard: &Wizard, row: Row, here: bool, (name, columns): (usize, usize), ink: &Ink<'_>) -> Line<'static> {
    let theme = ink.theme;
    let pointer = Span::styled(if here { theme.glyphs.selected } else { " " }, theme.focus());
    let style = if here { theme.strong() } else { theme.accent() };
    let room = columns.saturating_sub(name + 4);
    let label = |text: &str| {
        let gap = " ".repeat(name.saturating_sub(width(text)) + 2);
        Span::styled(format!(" {text}{gap}"), style)
    };
    match row {
        Row::Choice(choice) => {
            let (words, what) = choice_words(wizard, choice);
            let what = Span::styled(fit(what, room, theme.glyphs.ellipsis), theme.dim());
            Line::from(vec![pointer, label(&words), what])
        }
        Row::Field(field) => {
            let mut spans = vec![pointer, label(field.label())];
            spans.extend(value(wizard, field, here, room, ink));
            Line::from(spans)
        }
    }
}

/// What is in a field; secrets are as many dots.
fn value(wizard: &Wizard, field: Field, here: bool, room: usize, ink: &Ink<'_>) -> Vec<Span<'static>> {
    let theme = ink.theme;
    let bucket = &wizard.answers.typed_bucket;
    let dots = |chars: usize| Some((if wizard.look.ascii { "*" } else { "•" }.repeat(chars.min(24)), String::new()));
    let text = |field: &TextField| {
        let (before, after) = field.halves();
        (!field.text().is_empty()).then(|| (clean(before), clean(after)))
    };
    let halves = match field {
        Field::Secret => dots(wizard.secret.chars()),
        Field::Passphrase => dots(wizard.passphrase.chars()),
        Field::Again => dots(wizard.again.chars()),
        Field::SecretAccessKey => dots(bucket.secret_access_key.chars()),
        Field::Node => text(&wizard.answers.node),
        Field::BucketName => text(&bucket.name),
        Field::AccessKeyId => text(&bucket.access_key_id),
        Field::Endpoint => text(&bucket.endpoint_url),
        Field::Region => text(&bucket.region),
        Field::PublicUrl => text(&bucket.public_url),
        Field::Data => text(&wizard.answers.data),
    };
    let (before, after) = halves.unwrap_or_default();
    if before.is_empty() && after.is_empty() {
        let hint = fit(field.hint(), room, theme.glyphs.ellipsis);
        let under = if here { hint.chars().next().map_or(0, char::len_utf8) } else { 0 };
        let (under, rest) = hint.split_at(under);
        return vec![Span::styled(under.to_owned(), theme.cursor_row()), Span::styled(rest.to_owned(), theme.dim())];
    }
    if !here {
        return vec![Span::raw(fit(&format!("{before}{after}"), room, theme.glyphs.ellipsis))];
    }
    // The end of what is before the cursor stays in sight.
    let skip = width(&before).saturating_sub(room.saturating_sub(1));
    let before: String = before.chars().skip(skip).collect();
    let mut after = after.chars();
    let under = after.next().unwrap_or(' ');
    vec![Span::raw(before), Span::styled(under.to_string(), theme.cursor_row()), Span::raw(after.as_str().to_owned())]
}

fn choice_words(wizard: &Wizard, choice: Choice) -> (String, &'static str) {
    let own = |name: &str| name.to_owned();
    match choice {
        Choice::TryDemo => (own("Try it now"), "a network inside this program, with a funded wallet"),
        Choice::SetUp => (own("Set it up"), "for testnet or a network of yours, step by step"),
        Choice::Leave => (own("Leave"), "nothing more is written"),
        Choice::Testnet => (own("testnet"), "the public test network"),
        Choice::Devnet => (own("devnet"), "`somascope devnet` on this machine"),
        Choice::Node => (own("this node"), "the address above"),
        Choice::Wallet(at) => match wizard.found.wallets.get(at) {
            Some((from, address)) => (
                format!("Use {}", address.to_hex_prefixed().get(..10).unwrap_or_default()),
                match from.as_str() {
                    "environment" => "the key of SOMA_SECRET_KEY",
                    "keystore" => "from the network's own keystore",
                    _ => "an encrypted wallet of this machine",
                },
            ),
            None => (own("gone"), ""),
        },
        Choice::CreateKey => (own("Make a new key"), "kept encrypted on this machine"),
        Choice::ImportKey => (own("Bring a key"), "hex, somaprivkey1…, keystore entry, or a mnemonic"),
        Choice::NoKey => (own("No key"), "read-only: see and score, sign nothing"),
        Choice::Seal => (own("Keep it"), "encrypted with the passphrase"),
        Choice::Faucet => (own("Ask the faucet"), "once is enough to begin"),
        Choice::CheckBucket => (own("Check it"), "write a small object, read it in public, delete it"),
        Choice::NoBucket => (own("Without a bucket"), "nothing can be submitted until there is one"),
        Choice::CheckData => (own("Look at it"), "can it be read, and how much is it?"),
        Choice::GoOn => (own("Go on"), ""),
        Choice::Write => (own("Write it"), ""),
        Choice::Run => (own("Open the dashboard"), "`somascope` does it from now on, in this directory"),
    }
}

fn finding_lines(finding: &Finding, columns: usize, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let glyphs = ink.theme.glyphs;
    let (glyph, word, style) = match finding.verdict {
        Verdict::Good => (glyphs.good, "ok", ink.theme.good()),
        Verdict::Doubtful => (glyphs.warning, "look", ink.theme.attention()),
        Verdict::Bad => (glyphs.bad, "no", ink.theme.bad()),
    };
    let mut lines = Vec::new();
    let room = columns.saturating_sub(8);
    for (at, text) in wrap(&clean(&finding.what), room).into_iter().enumerate() {
        let head = if at == 0 { format!("{glyph} {word:<5} ") } else { " ".repeat(8) };
        lines.push(Line::from(vec![Span::styled(head, style), Span::raw(text)]));
    }
    for text in finding.remedy.iter().flat_map(|remedy| wrap(&clean(remedy), room)) {
        lines.push(Line::from(vec![Span::raw(" ".repeat(8)), Span::styled(text, ink.theme.dim())]));
    }
    lines
}
