//! Pages of lists: at most so many items, and none after 512 KiB (`protocol.md §2.4`, `§2.5`).

use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use tonic::Status;

use super::status::invalid_field;

const MAX_ITEMS: u32 = 1000;
/// A page ends after the item that passes this many encoded bytes.
const MAX_BYTES: usize = 512 * 1024;

/// Items up to the page's end, and the place of the last one if more follow.
pub(super) fn page<K, M: Message>(
    items: impl Iterator<Item = (K, M)>,
    asked: Option<u32>,
    default: u32,
) -> (Vec<M>, Option<K>) {
    // A real node reads 0 as 1.
    let max_items = asked.unwrap_or(default).clamp(1, MAX_ITEMS) as usize;
    let mut items = items.peekable();
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some((place, item)) = items.next() {
        bytes += item.encoded_len();
        page.push(item);
        if page.len() == max_items || bytes > MAX_BYTES {
            let more = items.peek().is_some();
            return (page, more.then_some(place));
        }
    }
    (page, None)
}

/// Where to go on, together with what was asked. Clients get it as opaque bytes.
pub(super) fn token<T: Serialize>(place: &T) -> Result<Vec<u8>, Status> {
    bcs::to_bytes(place).map_err(|e| Status::internal(format!("no page token: {e}")))
}

pub(super) fn read_token<T: DeserializeOwned>(token: &[u8]) -> Result<T, Status> {
    bcs::from_bytes(token).map_err(|_| invalid_token())
}

pub(super) fn invalid_token() -> Status {
    invalid_field("page_token", "invalid page_token")
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;
    use crate::chain::proto::soma::rpc::Target;

    fn targets(count: usize, dim: usize) -> impl Iterator<Item = (usize, Target)> {
        (0..count).map(move |place| (place, Target { embedding: vec![1.0; dim], ..Default::default() }))
    }

    #[test]
    fn a_page_of_2048_dimensions_ends_after_passing_512_kib() {
        // protocol-corrections.md §2: 63 + 37 of 100 (there with ids and more, hence 63 instead of 64).
        let (first, place) = page(targets(100, 2100), None, 100);
        assert_eq!((first.len(), place), (63, Some(62)));
        let (second, place) = page(targets(100, 2100).skip(63), None, 100);
        assert_eq!((second.len(), place), (37, None));
    }

    proptest! {
        /// Whatever is asked for, page after page gives every item once, and a page is never beyond its bounds.
        #[test]
        fn pages_give_every_item_once(sizes in vec(0usize..60_000, 0..60), asked in option::of(any::<u32>())) {
            let mut seen = Vec::new();
            let mut after = None;
            loop {
                let rest = sizes.iter().enumerate().filter(|(at, _)| after.is_none_or(|after| *at > after));
                let (items, last) = page(
                    rest.map(|(at, dim)| (at, Target { embedding: vec![1.0; *dim], bond_amount: Some(at as u64), ..Default::default() })),
                    asked,
                    50,
                );
                prop_assert!(items.len() <= 1000 && (items.is_empty() == (seen.len() == sizes.len())));
                let bytes: usize = items.iter().map(Message::encoded_len).sum();
                let newest = items.last().map_or(0, Message::encoded_len);
                prop_assert!(bytes - newest <= MAX_BYTES);
                seen.extend(items.iter().map(|target| target.bond_amount()));
                match last {
                    Some(place) => after = Some(place),
                    None => break,
                }
            }
            prop_assert_eq!(seen, (0..sizes.len() as u64).collect::<Vec<_>>());
        }

        #[test]
        fn a_token_of_strangers_is_an_error_and_ours_comes_back(noise in vec(any::<u8>(), 0..80), place: (u64, [u8; 32])) {
            let _ = read_token::<(u64, [u8; 32])>(&noise);
            let ours = token(&place).expect("a token");
            prop_assert_eq!(read_token::<(u64, [u8; 32])>(&ours).ok(), Some(place));
            prop_assert!(read_token::<(u64, [u8; 32])>(&[&ours[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn no_item_is_a_page_of_one_and_a_full_page_at_the_end_has_no_token() {
        assert_eq!(page(targets(3, 1), Some(0), 50).0.len(), 1);
        assert_eq!(page(targets(3, 1), Some(3), 50).1, None);
        assert_eq!(page(targets(2000, 1), Some(5000), 50).0.len(), 1000);
        assert_eq!(page(targets(0, 1), None, 50), (Vec::new(), None));
    }
}
