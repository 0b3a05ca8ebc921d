//! `somascope replay`: a recorded run, shown again.

use std::{
    fmt::Write as _,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, anyhow};
use clap::Args;
use serde::Serialize;

use super::{
    Exit,
    look::{self, LookArgs},
    output,
};
use crate::{
    app::layout::Size,
    terminal::{
        self,
        recording::{self, Recording},
        replay::{self, Start, Tape},
    },
};

/// Show a run again that was recorded with --record: the real interface, and nothing behind it.
///
/// Space pauses, the arrows go ten seconds back and on, `,` and `.` one event, `<` and `>` change the speed, Home and End go to the
/// ends. Every key that only looks works as in the dashboard: with it you leave the way of the recorded person, and `f` follows it
/// again. Nothing is signed, sent or changed.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope run --record bug.jsonl.zst --data ~/corpus\n  somascope replay bug.jsonl.zst --at 12:30 \
    --speed 4\n  somascope replay bug.jsonl.zst --text 120x40\n\n\
    JSON of --check --json: version, started_ms, length_ms, events, lost_events, cut (why it ends early, or null), width, height.\n\n\
    Exit codes: 0 shown; 1 the terminal was lost or a signal ended it; 2 the file is no recording, is broken \
    before its first screen, or is of a newer format."
)]
pub struct Replay {
    /// What --record wrote, compressed or not.
    file: PathBuf,
    /// Seconds of the recording in one second, 0.25 to 64.
    #[arg(long, default_value_t = 1.0, value_name = "N", value_parser = speed)]
    speed: f32,
    /// Begin here: seconds, M:SS or H:MM:SS [default: the start; with --text the end].
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<u64>,
    /// Print the screen as text and end: of this size, or of the recorded one.
    #[arg(long, value_name = "WxH", value_parser = size, num_args = 0..=1, default_missing_value = "recorded")]
    text: Option<Shape>,
    /// Read everything, tell what it is, and end.
    #[arg(long, conflicts_with = "text")]
    check: bool,
    /// The same as one JSON object.
    #[arg(long, requires = "check")]
    json: bool,
    #[command(flatten)]
    look: LookArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Recorded,
    Of(Size),
}

/// What `--check` tells.
#[derive(Serialize)]
struct Summary {
    version: String,
    started_ms: u64,
    length_ms: u64,
    events: usize,
    lost_events: u64,
    cut: Option<String>,
    width: u16,
    height: u16,
}

impl Replay {
    pub fn run(self) -> anyhow::Result<Exit> {
        let mut recording =
            recording::read(&self.file).with_context(|| format!("cannot replay {}", self.file.display()))?;
        let is_shown = self.text.is_none() && !self.check;
        if is_shown {
            look::ensure_terminal("`--text` prints a screen and `--check` a summary without it")?;
        }
        let mut options = self.look.options()?;
        if self.check {
            recording.verify();
            return self.summary(&recording);
        }
        // A closed standard error must not keep it from being shown.
        let tell = |cut: &str| {
            let _ = writeln!(io::stderr(), "{}: {cut}; what is before that is shown", self.file.display());
        };
        recording.cut.as_deref().into_iter().for_each(tell);
        // What was seen is what was drawn then, unless the viewer wants it otherwise.
        options.hint = None;
        if let Some(shape) = self.text {
            let mut tape = Tape::new(recording, options.look);
            tape.seek(self.at.unwrap_or(u64::MAX));
            tape.trouble().as_deref().into_iter().for_each(tell);
            if let Shape::Of(size) = shape {
                tape.resize(size);
            }
            output::print(replay::picture(&tape).as_bytes())?;
            return Ok(Exit::Ok);
        }
        let tape = Tape::new(recording, options.look);
        let start = Start { at_ms: self.at.unwrap_or(0), speed: self.speed };
        Ok(match replay::show(tape, start, options)? {
            terminal::Exit::Settled | terminal::Exit::Unsettled => Exit::Ok,
            terminal::Exit::Signal(_) => Exit::Refused,
        })
    }

    fn summary(&self, recording: &Recording) -> anyhow::Result<Exit> {
        let Size { width, height } = recording.size();
        let summary = Summary {
            version: recording.version(),
            started_ms: recording.started_ms(),
            length_ms: recording.length_ms(),
            events: recording.times.len(),
            lost_events: recording.gaps,
            cut: recording.cut.clone(),
            width,
            height,
        };
        let mut text = String::new();
        if self.json {
            writeln!(text, "{}", serde_json::to_string(&summary)?)?;
        } else {
            writeln!(text, "recorded by  somascope {} on {width}x{height}", summary.version)?;
            let seconds = summary.length_ms as f64 / 1000.0;
            writeln!(text, "length       {seconds:.1} s, {} events", summary.events)?;
            if summary.lost_events > 0 {
                writeln!(text, "lost         {} events that the disk was too slow for", summary.lost_events)?;
            }
            let whole = summary.cut.as_deref().unwrap_or("whole");
            writeln!(text, "state        {whole}")?;
        }
        output::print(text.as_bytes())?;
        Ok(Exit::Ok)
    }
}

fn speed(text: &str) -> anyhow::Result<f32> {
    let speed: f32 = text.parse()?;
    if (0.25..=64.0).contains(&speed) { Ok(speed) } else { Err(anyhow!("from 0.25 to 64")) }
}

/// Milliseconds.
fn time(text: &str) -> anyhow::Result<u64> {
    let wrong = || anyhow!("a time such as 90, 1:30 or 0:01:30");
    let parts: Vec<&str> = text.split(':').collect();
    let (seconds, above) = parts.split_last().ok_or_else(wrong)?;
    if above.len() > 2 {
        return Err(wrong());
    }
    let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
    let mut minutes = 0_u32;
    for part in above {
        minutes = minutes
            .checked_mul(60)
            .zip(part.parse::<u32>().ok())
            .and_then(|(m, p)| m.checked_add(p))
            .ok_or_else(wrong)?;
    }
    if !(0.0..1e9).contains(&seconds) {
        return Err(wrong());
    }
    Ok(u64::from(minutes) * 60_000 + (seconds * 1000.0) as u64)
}

fn size(text: &str) -> anyhow::Result<Shape> {
    if text == "recorded" {
        return Ok(Shape::Recorded);
    }
    let wrong = || anyhow!("a size such as 120x40, at most 500x500");
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    let side = |text: &str| text.parse().ok().filter(|side| (1..=500).contains(side)).ok_or_else(wrong);
    Ok(Shape::Of(Size { width: side(width)?, height: side(height)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_as_people_write_them() {
        assert_eq!(
            [time("90").ok(), time("1:30").ok(), time("1:02:03.5").ok()],
            [Some(90_000), Some(90_000), Some(3_723_500)]
        );
        for wrong in ["", ":", "-1", "1:2:3:4", "x", "1e300", "nan"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(size("120x40").ok(), Some(Shape::Of(Size { width: 120, height: 40 })));
        for wrong in ["", "0x1", "120", "120x", "501x1", "x"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert!(speed("0").is_err() && speed("65").is_err() && speed("nan").is_err() && speed("4").is_ok());
    }
}
