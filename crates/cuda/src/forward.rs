//! One forward pass over a group of rows, from tokens to each row's sums (`model.md §1.2, §3`), without waiting for the card on the way.

use std::sync::Arc;

use cudarc::driver::{CudaEvent, CudaSlice, sys::CUevent_flags};

use crate::card::Shared;
use crate::launch::{Arg, Shape, launch};
use crate::model::{Layer, Norm, turn};
use crate::product::{Matrices, Operands, Output, Product};
use crate::program::Attention;
use crate::tables::{self, Tables};
use crate::{CardError, Model};

/// Directions of the regulariser.
pub(crate) const SLICES: usize = 256;
/// Rows of one pass: more bring nothing, as the products have long filled the card.
const MOST_ROWS: usize = 32;
/// Share of the free memory that a pass may take, in percent.
const MEMORY_SHARE: u64 = 85;

/// One sequence of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Below the vocabulary's size.
    pub tokens: &'a [u32],
    /// Each between the first and the first plus the row's length.
    pub positions: &'a [u32],
    /// The next token at each position; 256 is not counted.
    pub targets: &'a [u32],
    /// Says which directions the regulariser takes.
    pub noise_seed: u64,
}

/// What one row adds to a score.
#[derive(Clone, Debug, PartialEq)]
pub struct RowScore {
    /// Summed over counted targets.
    pub nll: f64,
    /// Summed over positions.
    pub regulariser: f64,
    /// `[embed]`, mean over positions.
    pub embedding: Vec<f32>,
}

/// How long the card spent on one kind of work in a pass.
#[derive(Clone, Debug, PartialEq)]
pub struct StageTime {
    pub stage: &'static str,
    pub milliseconds: f32,
}

/// What is noted after each stage.
pub(crate) enum Watch {
    Nothing,
    Times(Vec<(&'static str, CudaEvent)>),
    #[cfg(test)]
    Values(Vec<(&'static str, Vec<f32>)>),
}

/// The element type of a stage's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    Bf16,
    F16,
}

impl Model {
    /// Scores of rows of one length, in order. `directions` makes those of a noise seed, `[embed, 256]` with columns of length 1; they
    /// are kept on the card. Rows of any samples may come together: results do not depend on the company.
    pub fn evaluate<E: From<CardError>>(
        &self,
        rows: &[Row<'_>],
        directions: &mut dyn FnMut(u64) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<RowScore>, E> {
        self.evaluate_watched(rows, directions, &mut Watch::Nothing)
    }

    /// Where the time of one pass goes, summed by stage, in order of the first occurrence.
    pub fn profile<E: From<CardError>>(
        &self,
        rows: &[Row<'_>],
        directions: &mut dyn FnMut(u64) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<StageTime>, E> {
        let mut watch = Watch::Times(Vec::new());
        self.evaluate_watched(rows, directions, &mut watch)?;
        let Watch::Times(marks) = watch else { return Ok(Vec::new()) };
        let mut times: Vec<StageTime> = Vec::new();
        for pair in marks.windows(2) {
            let [(_, start), (stage, end)] = pair else { continue };
            let milliseconds = start.elapsed_ms(end).map_err(CardError::from)?;
            match times.iter_mut().find(|time| time.stage == *stage) {
                Some(time) => time.milliseconds += milliseconds,
                None => times.push(StageTime { stage, milliseconds }),
            }
        }
        Ok(times)
    }

    pub(crate) fn evaluate_watched<E: From<CardError>>(
        &self,
        rows: &[Row<'_>],
        directions: &mut dyn FnMut(u64) -> Result<Vec<f32>, E>,
        watch: &mut Watch,
    ) -> Result<Vec<RowScore>, E> {
        let Some(seq) = rows.first().map(|row| row.tokens.len()) else { return Ok(Vec::new()) };
        for row in rows {
            self.check(row, seq)?;
        }
        // Rows with the same directions side by side: one product for all of them.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|index| rows[*index].noise_seed);
        let mut shared = self.card.shared();
        let most = self.rows_at_once(&shared, seq)?;
        let passes = rows.len().div_ceil(most);
        let mut scores: Vec<Option<RowScore>> = vec![None; rows.len()];
        for group in order.chunks(rows.len().div_ceil(passes)) {
            let together: Vec<Row<'_>> = group.iter().map(|index| rows[*index]).collect();
            let of_group = self.pass(&mut shared, &together, seq, directions, watch).inspect_err(|_| {
                // After a failure nothing of it stays, so that a smaller group finds all the memory.
                shared.tables.angles.clear();
                shared.tables.directions.clear();
                shared.release(&self.card);
            })?;
            for (index, score) in group.iter().zip(of_group) {
                scores[*index] = Some(score);
            }
        }
        Ok(scores.into_iter().flatten().collect())
    }

    fn check(&self, row: &Row<'_>, seq: usize) -> Result<(), CardError> {
        let problem = |what: String| Err(CardError::Row(what));
        if seq == 0 || row.tokens.len() != seq || row.positions.len() != seq || row.targets.len() != seq {
            return problem(format!("rows of one call need one length, and the first has {seq}"));
        }
        let vocabulary = self.dims.vocabulary as u32;
        if let Some(id) = row.tokens.iter().chain(row.targets).find(|id| **id >= vocabulary) {
            return problem(format!("token {id}, and the vocabulary has {vocabulary}"));
        }
        let first = row.positions[0];
        if let Some(position) =
            row.positions.iter().find(|p| p.checked_sub(first).is_none_or(|slot| slot as usize >= seq))
        {
            return problem(format!("position {position} in a row of {seq} that starts at {first}"));
        }
        Ok(())
    }

    fn rows_at_once(&self, shared: &Shared, seq: usize) -> Result<usize, CardError> {
        let free = self.card.memory()?.0 + shared.workspace_bytes();
        let row = Layout::new(self, 1, seq).bytes as u64;
        Ok(((free / 100 * MEMORY_SHARE / row) as usize).clamp(1, MOST_ROWS))
    }

    fn pass<E: From<CardError>>(
        &self,
        shared: &mut Shared,
        rows: &[Row<'_>],
        seq: usize,
        directions: &mut dyn FnMut(u64) -> Result<Vec<f32>, E>,
        watch: &mut Watch,
    ) -> Result<Vec<RowScore>, E> {
        let layout = Layout::new(self, rows.len(), seq);
        let base = shared.workspace(&self.card, layout.bytes)?;
        let angles: Vec<Arc<CudaSlice<u8>>> = rows
            .iter()
            .map(|row| {
                let key = (row.positions[0], seq, self.settings.head());
                shared.tables.angles.get(key, Tables::ANGLES, || self.card.upload(&tables::angles(key)))
            })
            .collect::<Result<_, _>>()?;
        let mut groups: Vec<Group> = Vec::new();
        for row in rows {
            match groups.last_mut() {
                Some(group) if group.seed == row.noise_seed => group.rows += 1,
                _ => {
                    let key = (row.noise_seed, self.dims.embed, self.settings.represent);
                    let make = || self.directions::<E>(base, directions(row.noise_seed)?);
                    let directions = shared.tables.directions.get(key, Tables::DIRECTIONS, make)?;
                    groups.push(Group { seed: row.noise_seed, rows: 1, directions });
                }
            }
        }
        let mut pass = Pass { model: self, shared, watch, at: layout.place(base), rows: rows.len(), seq };
        Ok(pass.run(rows, &angles, &groups)?)
    }

    /// Directions as they are multiplied: `[256, embed]`. The workspace is where they arrive.
    fn directions<E: From<CardError>>(&self, staging: u64, values: Vec<f32>) -> Result<CudaSlice<u8>, E> {
        let embed = self.dims.embed;
        if values.len() != embed * SLICES {
            let tensor = "directions".to_owned();
            return Err(CardError::Tensor { tensor, found: values.len(), expected: embed * SLICES }.into());
        }
        let buffer = self.card.allocate(values.len() * 4)?;
        self.card.write(staging, &values)?;
        turn(&self.card, &self.program.turn_represent, staging, self.card.address(&buffer), embed, SLICES)?;
        Ok(buffer)
    }
}

/// Rows that share directions.
struct Group {
    seed: u64,
    rows: usize,
    directions: Arc<CudaSlice<u8>>,
}

/// Offsets, then addresses, of the workspace's parts.
#[derive(Clone, Copy, Default)]
struct Layout {
    /// Residual stream, f32.
    x: u64,
    /// Normalised input of a product, and the context.
    narrow: u64,
    /// Queries, keys and values; then the hidden layer; each where the other no longer is.
    wide: u64,
    /// Attention's operands, where these are of another type than the product's result; else `wide`.
    attend: u64,
    exact: u64,
    represent: u64,
    logits: u64,
    projections: u64,
    tokens: u64,
    slots: u64,
    targets: u64,
    tables: u64,
    nll: u64,
    regulariser: u64,
    sums: u64,
    means: u64,
    bytes: usize,
}

impl Layout {
    fn new(model: &Model, rows: usize, seq: usize) -> Self {
        let (embed, tokens) = (model.dims.embed, rows * seq);
        let operand = model.precision.operands().bytes();
        let mut end = 0usize;
        let mut take = |bytes: usize| {
            let at = end;
            end = (end + bytes).next_multiple_of(256);
            at as u64
        };
        let x = take(tokens * embed * 4);
        let narrow = take(tokens * embed * operand);
        let qkv = (tokens * 3 * embed * operand).next_multiple_of(256);
        let separate = if model.settings.product == model.settings.attend { 0 } else { tokens * 3 * embed * 2 };
        // Representations and all that is made of them come when the layers are done, and the directions of new seeds before they begin.
        let exact = 0;
        let represent = exact + (tokens * embed * 4).next_multiple_of(256);
        let logits = represent + (tokens * embed * 4).next_multiple_of(256);
        let projections = logits + (tokens * model.dims.vocabulary * 4).next_multiple_of(256);
        let last = projections + tokens * SLICES * 4;
        let wide =
            take((qkv + separate).max(tokens * model.dims.feed_forward * operand).max(last).max(embed * SLICES * 4));
        let at = |offset: usize| wide + offset as u64;
        Self {
            x,
            narrow,
            wide,
            attend: if separate == 0 { wide } else { at(qkv) },
            exact: at(exact),
            represent: at(represent),
            logits: at(logits),
            projections: at(projections),
            tokens: take(tokens * 4),
            slots: take(tokens * 4),
            targets: take(tokens * 4),
            tables: take(rows * 8),
            nll: take(tokens * 4),
            regulariser: take(tokens * 4),
            sums: take(rows * 16),
            means: take(rows * embed * 4),
            bytes: end,
        }
    }

    fn place(mut self, base: u64) -> Self {
        for part in [
            &mut self.x,
            &mut self.narrow,
            &mut self.wide,
            &mut self.attend,
            &mut self.exact,
            &mut self.represent,
            &mut self.logits,
            &mut self.projections,
            &mut self.tokens,
            &mut self.slots,
            &mut self.targets,
            &mut self.tables,
            &mut self.nll,
            &mut self.regulariser,
            &mut self.sums,
            &mut self.means,
        ] {
            *part += base;
        }
        self
    }
}

struct Pass<'a> {
    model: &'a Model,
    shared: &'a mut Shared,
    watch: &'a mut Watch,
    at: Layout,
    rows: usize,
    seq: usize,
}

impl Pass<'_> {
    fn run(
        &mut self,
        rows: &[Row<'_>],
        angles: &[Arc<CudaSlice<u8>>],
        groups: &[Group],
    ) -> Result<Vec<RowScore>, CardError> {
        let (model, card, at) = (self.model, &self.model.card, self.at);
        self.tune()?;
        let all = |part: fn(&Row<'_>) -> Vec<u32>| rows.iter().flat_map(part).collect::<Vec<u32>>();
        card.write(at.tokens, &all(|row| row.tokens.to_vec()))?;
        card.write(at.targets, &all(|row| row.targets.to_vec()))?;
        card.write(at.slots, &all(|row| row.positions.iter().map(|p| p - row.positions[0]).collect()))?;
        card.write(at.tables, &angles.iter().map(|table| card.address(table)).collect::<Vec<u64>>())?;
        self.note("start", 0, 0, Element::F32)?;
        self.embed()?;
        for layer in &model.layers {
            self.attention_branch(layer)?;
            self.feed_forward_branch(layer)?;
        }
        self.loss(groups)?;
        let embed = model.dims.embed;
        let means = card.read::<f32>(at.means, self.rows * embed)?;
        let sums = card.read::<f64>(at.sums, self.rows * 2)?;
        let scores = sums.as_chunks::<2>().0.iter().zip(means.chunks_exact(embed));
        Ok(scores
            .map(|([nll, regulariser], mean)| RowScore {
                nll: *nll,
                regulariser: *regulariser,
                embedding: mean.to_vec(),
            })
            .collect())
    }

    fn tokens(&self) -> usize {
        self.rows * self.seq
    }

    /// The four products of a layer, and the buffers they work on.
    fn products(&self, layer: &Layer) -> [(Product, Matrices); 4] {
        let (card, at) = (&self.model.card, self.at);
        let (embed, hidden) = (self.model.dims.embed, self.model.dims.feed_forward);
        let operands = self.model.precision.operands();
        let product = |inner, features, output| Product { tokens: self.tokens(), inner, features, operands, output };
        let on = |input, weights, output| Matrices { input, weights: card.address(weights), output };
        [
            (product(embed, 3 * embed, Output::Operand), on(at.narrow, &layer.qkv, at.wide)),
            (product(embed, embed, Output::Residual), on(at.narrow, &layer.output, at.x)),
            (product(embed, hidden, Output::Operand), on(at.narrow, &layer.inner, at.wide)),
            (product(hidden, embed, Output::Residual), on(at.wide, &layer.outer, at.x)),
        ]
    }

    /// Before anything is in the buffers, as it overwrites them.
    fn tune(&mut self) -> Result<(), CardError> {
        let Some(layer) = self.model.layers.first() else { return Ok(()) };
        for (product, matrices) in self.products(layer) {
            self.shared.products.tune(product, matrices)?;
        }
        Ok(())
    }

    fn embed(&mut self) -> Result<(), CardError> {
        let (model, at) = (self.model, self.at);
        let args = [Arg::Address(at.tokens), Arg::Address(model.card.address(&model.embedding)), Arg::Address(at.x)];
        launch(&model.card.stream, &model.program.embed, Shape::line(self.tokens(), 128), &args)?;
        self.note("embedding", at.x, self.tokens() * model.dims.embed, Element::F32)
    }

    fn normalise(&mut self, norm: &Norm) -> Result<(), CardError> {
        let model = self.model;
        let mut args = self.norm_args(norm);
        args.push(Arg::Address(self.at.narrow));
        let shape = Shape::line(self.tokens(), model.settings.norm_threads());
        launch(&model.card.stream, &model.program.normalise, shape, &args)?;
        self.note("norm", self.at.narrow, self.tokens() * model.dims.embed, self.operand())
    }

    fn norm_args(&self, norm: &Norm) -> Vec<Arg> {
        let vector = |buffer| Arg::Address(self.model.card.address(buffer));
        vec![Arg::Address(self.at.x), vector(&norm.shift), vector(&norm.gamma), vector(&norm.beta)]
    }

    fn attention_branch(&mut self, layer: &Layer) -> Result<(), CardError> {
        let (model, at) = (self.model, self.at);
        let (card, stream, embed) = (&model.card, &model.card.stream, model.dims.embed);
        let [(qkv, on_qkv), (output, on_output), ..] = self.products(layer);
        self.normalise(&layer.norm_1)?;
        self.shared.products.run(qkv, on_qkv)?;
        self.note("qkv", at.wide, self.tokens() * 3 * embed, self.operand())?;

        let seq = Arg::Int(self.seq as i32);
        let bias = card.address(&layer.qkv_bias);
        let args = [
            Arg::Address(at.wide),
            Arg::Address(at.attend),
            Arg::Address(bias),
            Arg::Address(at.tables),
            Arg::Address(at.slots),
            seq,
        ];
        launch(stream, &model.program.rotate, Shape::line(self.tokens(), 128), &args)?;
        let attend = match model.settings.attend {
            "f16" => Element::F16,
            "bf16" => Element::Bf16,
            _ => Element::F32,
        };
        self.note("rotary", at.attend, self.tokens() * 3 * embed, attend)?;

        let attention = model.settings.attention;
        let root = (model.settings.head() as f32).sqrt();
        // The 16-bit kernel multiplies, the others divide as the reference does.
        let scale = if matches!(attention, Attention::Tensor { .. }) { root.recip() } else { root };
        let shape = Shape {
            grid: (self.rows * model.dims.heads, self.seq.div_ceil(attention.queries())),
            block: (attention.threads(), 1),
            shared: attention.shared_memory(model.settings.head(), self.seq),
        };
        let value_bias = bias + (2 * embed * 4) as u64;
        let args = [Arg::Address(at.attend), Arg::Address(value_bias), Arg::Address(at.narrow), seq, Arg::Float(scale)];
        launch(stream, &model.program.attend, shape, &args)?;
        self.note("attention", at.narrow, self.tokens() * embed, self.operand())?;

        self.shared.products.run(output, on_output)?;
        self.note("output", at.x, self.tokens() * embed, Element::F32)
    }

    fn feed_forward_branch(&mut self, layer: &Layer) -> Result<(), CardError> {
        let (model, at) = (self.model, self.at);
        let hidden = self.tokens() * model.dims.feed_forward;
        let [_, _, (inner, on_inner), (outer, on_outer)] = self.products(layer);
        self.normalise(&layer.norm_2)?;
        self.shared.products.run(inner, on_inner)?;
        self.note("inner", at.wide, hidden, self.operand())?;
        let args = [Arg::Address(at.wide), Arg::Address(model.card.address(&layer.inner_bias))];
        launch(&model.card.stream, &model.program.gelu, Shape::line(self.tokens(), 256), &args)?;
        self.note("gelu", at.wide, hidden, self.operand())?;
        self.shared.products.run(outer, on_outer)?;
        self.note("outer", at.x, self.tokens() * model.dims.embed, Element::F32)
    }

    fn loss(&mut self, groups: &[Group]) -> Result<(), CardError> {
        let (model, at, tokens) = (self.model, self.at, self.tokens());
        let (card, stream, program, embed) = (&model.card, &model.card.stream, &model.program, model.dims.embed);
        let operands = model.precision.loss_operands();
        let mut args = self.norm_args(&model.final_norm);
        args.extend([Arg::Address(at.exact), Arg::Address(at.represent)]);
        launch(stream, &program.normalise_last, Shape::line(tokens, model.settings.norm_threads()), &args)?;
        self.note("final norm", at.exact, tokens * embed, Element::F32)?;

        let product = |tokens, features| Product { tokens, inner: embed, features, operands, output: Output::F32 };
        let predict = Matrices { input: at.represent, weights: card.address(&model.predictor), output: at.logits };
        self.shared.products.run(product(tokens, model.dims.vocabulary), predict)?;
        self.note("predictor", at.logits, tokens * model.dims.vocabulary, Element::F32)?;
        let count = Arg::Int(tokens as i32);
        let warps = Shape::line(tokens.div_ceil(8), 256);
        let bias = card.address(&model.predictor_bias);
        let args = [Arg::Address(at.logits), Arg::Address(bias), Arg::Address(at.targets), Arg::Address(at.nll), count];
        launch(stream, &program.likelihood, warps, &args)?;
        self.note("likelihood", at.nll, tokens, Element::F32)?;

        let mut first = 0;
        for group in groups {
            let start = (first * self.seq) as u64;
            let on = Matrices {
                input: at.represent + start * embed as u64 * 4,
                weights: card.address(&group.directions),
                output: at.projections + start * SLICES as u64 * 4,
            };
            self.shared.products.run(product(group.rows * self.seq, SLICES), on)?;
            first += group.rows;
        }
        self.note("projection", at.projections, tokens * SLICES, Element::F32)?;
        launch(
            stream,
            &program.characteristic,
            warps,
            &[Arg::Address(at.projections), Arg::Address(at.regulariser), count],
        )?;
        self.note("regulariser", at.regulariser, tokens, Element::F32)?;

        let seq = Arg::Int(self.seq as i32);
        let args = [Arg::Address(at.nll), Arg::Address(at.regulariser), Arg::Address(at.sums), seq];
        launch(stream, &program.row_sums, Shape::line(self.rows, 256), &args)?;
        let shape = Shape { grid: (embed.div_ceil(32), self.rows), block: (32, 16), shared: 0 };
        launch(stream, &program.mean_embedding, shape, &[Arg::Address(at.exact), Arg::Address(at.means), seq])?;
        self.note("means", at.means, self.rows * embed, Element::F32)
    }

    fn operand(&self) -> Element {
        match self.model.precision.operands() {
            Operands::F32 | Operands::Tf32 => Element::F32,
            Operands::Bf16 => Element::Bf16,
            Operands::F16 => Element::F16,
        }
    }

    /// After a stage, with where its result is.
    #[cfg_attr(not(test), expect(unused_variables, reason = "values are noted in tests only"))]
    fn note(&mut self, stage: &'static str, at: u64, count: usize, element: Element) -> Result<(), CardError> {
        match self.watch {
            Watch::Nothing => {}
            Watch::Times(marks) => {
                let event = self.model.card.stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT))?;
                marks.push((stage, event));
            }
            #[cfg(test)]
            Watch::Values(values) => {
                let card = &self.model.card;
                let of_bits = |wide: fn(u16) -> f32| {
                    Ok::<_, CardError>(card.read::<u16>(at, count)?.into_iter().map(wide).collect())
                };
                values.push((
                    stage,
                    match element {
                        Element::F32 => card.read::<f32>(at, count)?,
                        Element::Bf16 => of_bits(|bits| f32::from_bits(u32::from(bits) << 16))?,
                        Element::F16 => of_bits(crate::tests::f16_to_f32)?,
                    },
                ));
            }
        }
        Ok(())
    }
}
