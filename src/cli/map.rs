//! `somascope map`: the niche map as a file.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    Exit, environment::Environment, files::Target, network::NetworkArgs, order::tell_line, output::OutputArgs,
    place::StateArgs, signer::WalletArgs,
};
use crate::{
    api::{MapColour, MapLayout},
    engine::niches,
    export::{Format, PictureSize, render},
};

/// Draw the niche map into a file: where scored samples, models and open targets lie.
///
/// The samples are those that `somascope run` has scored for this wallet and network (or in --dir) and kept; the targets are those that are
/// open now. A target's own embedding is a random direction, which no two dimensions show: it is drawn at our nearest sample, a quarter of
/// the way towards its models. While a dashboard runs, press `e` in its map.
#[derive(Args)]
#[command(after_help = "Examples:\n  somascope map --network testnet --out niches.svg\n  \
    somascope map --out niches.png --size 1600x1000 --colour margin --layout neighbours\n  \
    somascope map --out - --format png > niches.png\n\n\
    JSON: file (absolute path), bytes, samples (drawn), targets.\n\n\
    Exit codes: 0 drawn; 1 the node refused to tell; 2 bad input, or nothing is scored yet; 3 unreachable.")]
pub struct MapCommand {
    /// Where to; `-` is standard output. A new file is for you alone.
    #[arg(long, value_name = "FILE")]
    out: Target,
    /// Kind of picture [default: what the name ends in; on standard output svg].
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// Write over a file that is there; it is replaced when the new one is whole.
    #[arg(long)]
    force: bool,
    /// Pixels.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1600x1000")]
    size: PictureSize,
    /// What the colour of a sample says.
    #[arg(long, value_enum, default_value_t = ColourArg::Model)]
    colour: ColourArg,
    /// How embeddings are laid out.
    #[arg(long, value_enum, default_value_t = LayoutArg::Principal)]
    layout: LayoutArg,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    wallet: WalletArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArg {
    Svg,
    Png,
}

#[derive(Clone, Copy, ValueEnum)]
enum ColourArg {
    /// The model with the lowest loss.
    Model,
    /// The folder or kind of file.
    Source,
    /// How near it comes to an open target.
    Margin,
}

#[derive(Clone, Copy, ValueEnum)]
enum LayoutArg {
    /// The two directions in which models and samples differ most.
    Principal,
    /// So that neighbours stay together; distances between groups say little.
    Neighbours,
}

#[derive(Serialize)]
struct Shown {
    file: String,
    bytes: usize,
    samples: usize,
    targets: usize,
}

impl MapCommand {
    pub fn run(self) -> anyhow::Result<Exit> {
        let format = self.format()?;
        if self.out.is_standard() && self.output.json {
            return Err(Exit::BadInput.because("--out - and --json both print on standard output: choose one"));
        }
        self.out.ensure_usable(self.force, format == Format::Svg)?;
        let environment = Environment::read(Path::new("."))?;
        let network = self.network.resolve(&environment)?;
        let colour = match self.colour {
            ColourArg::Model => MapColour::Model,
            ColourArg::Source => MapColour::Source,
            ColourArg::Margin => MapColour::Margin,
        };
        let layout = match self.layout {
            LayoutArg::Principal => MapLayout::Principal,
            LayoutArg::Neighbours => MapLayout::Neighbours,
        };
        let wallet = self.wallet.find(&environment)?.map(|found| found.address);
        let chart = super::block_on(async {
            let dir = self.state.to_look_on(&network, wallet).await?;
            tell_line("looking through the library …");
            let title = format!("Niches of {}", network.title());
            Ok(niches::draw(&network.rpc_url, &dir, layout, colour, title).await?)
        })?;
        let picture = render(&chart, format, self.size)?;
        let Some(file) = self.out.put(&picture, self.force)? else { return Ok(Exit::Ok) };
        let shown = Shown {
            file: file.display().to_string(),
            bytes: picture.len(),
            samples: chart.samples.len(),
            targets: chart.targets.len(),
        };
        self.output.open().show(&shown, |page, shown| {
            page.line(format!("wrote {}: {} samples, {} open targets", shown.file, shown.samples, shown.targets));
        })?;
        Ok(Exit::Ok)
    }

    fn format(&self) -> anyhow::Result<Format> {
        match (self.format, &self.out) {
            (Some(FormatArg::Svg), _) | (None, Target::Standard) => Ok(Format::Svg),
            (Some(FormatArg::Png), _) => Ok(Format::Png),
            (None, Target::File(path)) => {
                let name = path.to_string_lossy();
                Format::of_name(&name).ok_or_else(|| {
                    let text =
                        format!("{name}: the name of a picture ends in .svg or .png, or --format says what it is");
                    Exit::BadInput.because(text)
                })
            }
        }
    }
}
