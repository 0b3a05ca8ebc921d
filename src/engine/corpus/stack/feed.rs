//! The task that follows the index and fetches contents ahead.

use std::{future::Future, sync::Arc};

use futures::StreamExt;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::{runtime::Handle, sync::mpsc, time};

use super::{
    IN_FLIGHT, Item, Pace, Place, Stack,
    archive::{ArchiveError, Object},
    hub::{Hope, HubError, IndexFile},
    index,
};
use crate::engine::corpus::{
    ORDER_SEED,
    flow::{self, Why},
};

/// Attempts at a content that comes damaged.
const ATTEMPTS: usize = 3;

/// Asks until there is an answer, or an error without hope. `None`: nobody listens any more.
pub(super) async fn patiently<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    told: &mpsc::Sender<Item>,
    pace: &Pace,
    hope: impl Fn(&E) -> Hope,
    mut ask: impl FnMut() -> F,
) -> Option<Result<T, E>> {
    let mut pause = pace.first;
    loop {
        let error = tokio::select! {
            () = told.closed() => return None,
            answer = ask() => match answer {
                Ok(answer) => return Some(Ok(answer)),
                Err(error) => error,
            },
        };
        let wait = match hope(&error) {
            Hope::None => return Some(Err(error)),
            Hope::Later => pace.refused,
            Hope::Soon(after) => after.unwrap_or(pause),
        };
        pause = (pause * 2).min(pace.longest);
        let text = format!("The Stack v2: {error}; trying on");
        // A full queue must not keep the waiting from being given up.
        tokio::select! {
            () = told.closed() => return None,
            () = async { let _ = told.send(Item::Notice(text)).await; time::sleep(wait).await } => {}
        }
    }
}

/// Sends contents from a place on, once around, until nobody listens.
pub(super) async fn feed(stack: Arc<Stack>, start: Option<Place>, out: mpsc::Sender<Item>) {
    let list = || stack.hub.files(&stack.spec.languages);
    let tell = async |text: String| {
        let _ = out.send(Item::Notice(text)).await;
    };
    let mut files = match patiently(&out, &stack.pace, HubError::hope, list).await {
        None => return,
        Some(Ok(Ok(files))) => files,
        Some(Ok(Err(text))) => return tell(format!("The Stack v2: {text}")).await,
        Some(Err(error)) => return tell(format!("The Stack v2: {error}; nothing of it is read")).await,
    };
    files.shuffle(&mut StdRng::seed_from_u64(ORDER_SEED));
    // A file that the dataset has no more is no place.
    let begun = start.and_then(|place| Some((files.iter().position(|file| file.path == place.file)?, place)));
    if let Some((at, _)) = &begun {
        files.rotate_left(*at);
    }
    let mut place = begun.map(|(_, place)| place);
    for file in files {
        let path = file.path.clone();
        match follow(&stack, file, place.take(), &out).await {
            Ok(()) => {}
            Err(_) if out.is_closed() => return,
            Err(error) => tell(format!("The Stack v2: {path}: {error}; it is passed over")).await,
        }
        if out.is_closed() {
            return;
        }
    }
}

/// The contents of one index file.
async fn follow(
    stack: &Arc<Stack>,
    file: IndexFile,
    place: Option<Place>,
    out: &mpsc::Sender<Item>,
) -> Result<(), crate::engine::corpus::records::TableError> {
    let (blocks, mut ready) = mpsc::channel(1);
    let (from, mut done) = place.map_or((0, 0), |place| (place.block, place.done));
    let reading = {
        let (stack, file, told, runtime) = (stack.clone(), file.clone(), out.clone(), Handle::current());
        tokio::task::spawn_blocking(move || index::read(stack, file, from, told, &blocks, runtime))
    };
    while let Some(block) = ready.recv().await {
        let (first, left) = (block.first, block.left);
        let mut objects = block.objects;
        objects.shuffle(&mut StdRng::seed_from_u64(ORDER_SEED ^ flow::hash((&file.path, first))));
        let count = objects.len();
        let skipped = std::mem::take(&mut done).min(count);
        let wanted = objects.into_iter().enumerate().skip(skipped);
        let items = futures::stream::iter(wanted).map(|(number, object)| {
            let place = Place { file: file.path.clone(), block: first, done: number + 1 };
            fetch(stack, object, place, left + (count - number) as u64, out)
        });
        let mut items = items.buffered(IN_FLIGHT);
        while let Some(item) = items.next().await {
            let Some(item) = item else { return Ok(()) };
            if out.send(item).await.is_err() {
                return Ok(());
            }
        }
    }
    reading.await.unwrap_or(Ok(()))
}

/// A content, or why there is none; `None`: nobody listens any more.
async fn fetch(stack: &Arc<Stack>, object: Object, place: Place, left: u64, out: &mpsc::Sender<Item>) -> Option<Item> {
    let hope = |error: &ArchiveError| match error {
        ArchiveError::Busy { after, .. } => Hope::Soon(*after),
        ArchiveError::Unreachable(_) => Hope::Soon(None),
        _ => Hope::None,
    };
    let origin = object.origin();
    let leave_out = |why: Why, cause: String| {
        let text = format!("{} (object {}): {cause}", origin.path.display(), object.id);
        Item::LeftOut { why, text, place: place.clone(), left }
    };
    for attempt in 1.. {
        return Some(match patiently(out, &stack.pace, hope, || stack.archive.text(&object)).await? {
            Ok(Some(text)) => Item::Content { origin, text, place, left },
            Ok(None) => leave_out(Why::Broken, format!("it is no text in {}", object.encoding)),
            Err(ArchiveError::Damaged) if attempt < ATTEMPTS => continue,
            Err(error @ ArchiveError::Missing) => leave_out(Why::Missing, error.to_string()),
            Err(error) => leave_out(Why::Broken, error.to_string()),
        });
    }
    None
}
