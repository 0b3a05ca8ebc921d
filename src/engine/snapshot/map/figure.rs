//! The map of a snapshot as a picture for other programs.

use crate::{
    api::{MapColour, MapLayout, MapPoint, MapView, TargetRow, TargetStage, model_letter},
    export::map::{MapChart, Mark},
    primitives::ObjectId,
};

/// `models`: in the order of the snapshot's list; `dim`: of embeddings.
pub(in crate::engine) fn figure(
    map: &MapView,
    models: &[ObjectId],
    targets: &[TargetRow],
    colour: MapColour,
    dim: u64,
    title: String,
) -> MapChart {
    let names: Vec<String> = match colour {
        MapColour::Model => {
            models.iter().zip(0..).map(|(id, n)| format!("{} {}", model_letter(n), id.short())).collect()
        }
        MapColour::Source => map.sources.to_vec(),
        MapColour::Margin => (0..MapPoint::MARGINS)
            .map(|class| match class {
                0 => "hits".to_owned(),
                class if class + 2 < MapPoint::MARGINS => format!("misses by {class}σ"),
                class if class + 1 < MapPoint::MARGINS => "misses by more".to_owned(),
                _ => "met no target".to_owned(),
            })
            .collect(),
    };
    let samples: Vec<(f32, f32, u16)> =
        map.samples.iter().map(|point| (point.x, point.y, point.class(colour, dim))).collect();
    let mut counts = vec![0; names.len()];
    for (.., class) in &samples {
        if let Some(count) = counts.get_mut(usize::from(*class)) {
            *count += 1;
        }
    }
    let mark = |row: &TargetRow| match row.stage {
        TargetStage::Open => Mark::Open,
        TargetStage::Hit => Mark::Hit,
        TargetStage::InFlight => Mark::Sending,
        TargetStage::Ours => Mark::Ours,
    };
    let layout = match map.layout {
        MapLayout::Principal => {
            format!("axes: {:.0}% and {:.0}% of variance", map.explained[0] * 100.0, map.explained[1] * 100.0)
        }
        MapLayout::Neighbours => "neighbours kept together".to_owned(),
    };
    MapChart {
        title,
        about: format!("{} of {} scored samples; {layout}", map.samples.len(), map.scored),
        samples,
        by: match colour {
            MapColour::Model => "Samples by winning model",
            MapColour::Source => "Samples by source",
            MapColour::Margin => "Samples by best margin",
        }
        .to_owned(),
        classes: names.into_iter().zip(counts).collect(),
        is_scale: colour == MapColour::Margin,
        models: map.models.iter().map(|point| (point.x, point.y, model_letter(point.model.into()))).collect(),
        targets: (map.targets.iter())
            .filter_map(|target| Some((target.x, target.y, mark(targets.get(target.row as usize)?))))
            .collect(),
    }
}
