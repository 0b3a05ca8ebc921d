//! `somascope map`: the niche map as a file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    Exit, environment::Environment, network::NetworkArgs, order::tell_line, output::OutputArgs, place,
    signer::WalletArgs,
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
    somascope map --out niches.png --size 1600x1000 --colour margin --layout neighbours\n\n\
    JSON: file (absolute path), bytes, samples (drawn), targets.\n\n\
    Exit codes: 0 drawn; 1 the node refused to tell; 2 bad input, or nothing is scored yet; 3 unreachable.")]
pub struct MapCommand {
    /// Where to: the name ends in .svg or .png. A file that is there is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Pixels.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1600x1000")]
    size: PictureSize,
    /// What the colour of a sample says.
    #[arg(long, value_enum, default_value_t = ColourArg::Model)]
    colour: ColourArg,
    /// How embeddings are laid out.
    #[arg(long, value_enum, default_value_t = LayoutArg::Principal)]
    layout: LayoutArg,
    /// The engine's directory [default: that of this wallet and network in the user's data directory].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    wallet: WalletArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    network: NetworkArgs,
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
        let name = self.out.to_string_lossy();
        let format =
            Format::of_name(&name).with_context(|| format!("{name}: the name of a picture ends in .svg or .png"))?;
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
        let chart = super::block_on(async {
            let dir = match self.dir {
                Some(dir) => dir,
                None => match self.wallet.find(&environment)? {
                    Some(found) => place::state_path(&network, found.address)?,
                    None => {
                        let chain_id = network.client()?.service_info().await?.chain_id;
                        place::read_only_dir(&network, Some(&chain_id))?
                    }
                },
            };
            tell_line("looking through the library …");
            let title = format!("Niches of {}", network.title());
            Ok(niches::draw(&network.rpc_url, &dir, layout, colour, title).await?)
        })?;
        let picture = render(&chart, format, self.size)?;
        fs::write(&self.out, &picture).with_context(|| format!("cannot write {name}"))?;
        let file = std::path::absolute(&self.out).unwrap_or_else(|_| self.out.clone());
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
}
