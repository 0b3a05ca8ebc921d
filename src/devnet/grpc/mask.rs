//! Field masks (`protocol.md §2.2`): which fields of an answer a client wants.
//!
//! A mask is applied to the encoded message with the descriptors that `build.rs` keeps, so it works for every message and
//! cannot forget a field.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use bytes::Buf;
use prost::{
    Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field},
};
use prost_types::{FieldMask, FileDescriptorSet, field_descriptor_proto::Type};
use tonic::Status;

use super::status::invalid_field;

/// One message's fields by number: the name and, for a message of ours, its type.
type Fields = HashMap<u32, (String, Option<String>)>;

/// Every message of the contract by its name within the package.
static MESSAGES: LazyLock<HashMap<String, Fields>> = LazyLock::new(|| {
    let descriptors = FileDescriptorSet::decode(&include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"))[..])
        .expect("the build wrote these descriptors");
    descriptors
        .file
        .iter()
        .filter(|file| file.package() == "soma.rpc")
        .flat_map(|file| &file.message_type)
        .map(|message| {
            // Maps and foreign messages (timestamps) are not entered: they are selected as a whole.
            let fields = message.field.iter().map(|field| {
                let inner = (field.r#type() == Type::Message)
                    .then(|| field.type_name().strip_prefix(".soma.rpc."))
                    .flatten()
                    .filter(|name| !name.contains('.'));
                (field.number().cast_unsigned(), (field.name().to_owned(), inner.map(str::to_owned)))
            });
            (message.name().to_owned(), fields.collect())
        })
        .collect()
});

/// Deeper than any message of the contract: a path of a stranger must not decide how deep this module recurses.
const MAX_DEPTH: usize = 16;

/// What a mask says of one message.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::devnet) enum Mask {
    All,
    Fields(BTreeMap<String, Mask>),
}

impl Mask {
    /// An absent mask is the method's default; a mask without paths selects nothing.
    pub fn of(mask: Option<FieldMask>, default: &[&str]) -> Self {
        match mask {
            Some(mask) => Self::from_paths(mask.paths.iter().map(String::as_str)),
            None => Self::from_paths(default.iter().copied()),
        }
    }

    fn from_paths<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let mut root = Self::Fields(BTreeMap::new());
        for path in paths {
            root.add(path, MAX_DEPTH);
        }
        root
    }

    /// Below `depth` levels the rest of a path is one name, which is none of ours.
    fn add(&mut self, path: &str, depth: usize) {
        let Self::Fields(fields) = self else { return };
        if path == "*" {
            *self = Self::All;
            return;
        }
        match path.split_once('.').filter(|_| depth > 0) {
            None => {
                fields.insert(path.to_owned(), Self::All);
            }
            Some((first, rest)) => {
                fields.entry(first.to_owned()).or_insert_with(|| Self::Fields(BTreeMap::new())).add(rest, depth - 1);
            }
        }
    }

    /// Whether anything of the field is wanted: lets a service skip the work for what is not.
    pub fn selects(&self, field: &str) -> bool {
        match self {
            Self::All => true,
            Self::Fields(fields) => fields.contains_key(field),
        }
    }

    /// Drops a field that was selected as a whole: some methods of a real node answer only deeper paths
    /// (`protocol-corrections.md §1`, `objects`).
    pub fn without_whole(mut self, path: &[&str]) -> Self {
        fn drop_whole(mask: &mut Mask, path: &[&str]) {
            let (Mask::Fields(fields), Some((first, rest))) = (mask, path.split_first()) else { return };
            if !rest.is_empty() {
                if let Some(inner) = fields.get_mut(*first) {
                    drop_whole(inner, rest);
                }
            } else if fields.get(*first) == Some(&Mask::All) {
                fields.remove(*first);
            }
        }
        drop_whole(&mut self, path);
        self
    }

    /// Refuses paths that name no field of the message.
    pub fn validated(self, message: &str) -> Result<Self, Status> {
        match self.unknown_path(message) {
            None => Ok(self),
            Some(path) => Err(invalid_field("read_mask", &format!("invalid read_mask path: {path}"))),
        }
    }

    fn unknown_path(&self, message: &str) -> Option<String> {
        let Self::Fields(selected) = self else { return None };
        let known = MESSAGES.get(message);
        selected.iter().find_map(|(name, inner)| {
            let field = known.and_then(|fields| fields.values().find(|(known, _)| known == name));
            match (field, inner) {
                (None, Self::All) => Some(name.clone()),
                (None, Self::Fields(_)) => Some(format!("{name}.{}", inner.first_path())),
                (Some((_, Some(inner_message))), _) => inner.unknown_path(inner_message).map(|p| format!("{name}.{p}")),
                (Some((_, None)), Self::Fields(_)) => Some(format!("{name}.{}", inner.first_path())),
                (Some((_, None)), Self::All) => None,
            }
        })
    }

    fn first_path(&self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Fields(fields) => match fields.first_key_value() {
                Some((name, Self::All)) => name.clone(),
                Some((name, inner)) => format!("{name}.{}", inner.first_path()),
                None => String::new(),
            },
        }
    }

    /// The message with only what is selected. `name` is the message's name in the package.
    pub fn apply<M: Message + Default>(&self, name: &str, message: M) -> M {
        if *self == Self::All {
            return message;
        }
        let mut kept = Vec::new();
        self.filter(name, &message.encode_to_vec(), &mut kept)
            .and_then(|()| M::decode(&kept[..]))
            .expect("whole fields of an encoded message decode again")
    }

    /// Copies the selected fields from one encoded message to another.
    fn filter(&self, message: &str, mut bytes: &[u8], kept: &mut Vec<u8>) -> Result<(), prost::DecodeError> {
        let fields = MESSAGES.get(message);
        while bytes.has_remaining() {
            let field_start = bytes;
            let (number, wire) = decode_key(&mut bytes)?;
            let body = bytes;
            skip_field(wire, number, &mut bytes, DecodeContext::default())?;
            let Some((name, inner_message)) = fields.and_then(|fields| fields.get(&number)) else { continue };
            let selected = match self {
                Self::All => Some(self),
                Self::Fields(selected) => selected.get(name),
            };
            match (selected, inner_message) {
                (Some(Self::All), _) => kept.extend_from_slice(&field_start[..field_start.len() - bytes.len()]),
                (Some(inner), Some(inner_message)) => {
                    let mut inner_bytes = &body[..body.len() - bytes.len()];
                    decode_varint(&mut inner_bytes)?;
                    let mut inner_kept = Vec::new();
                    inner.filter(inner_message, inner_bytes, &mut inner_kept)?;
                    encode_key(number, WireType::LengthDelimited, kept);
                    encode_varint(inner_kept.len() as u64, kept);
                    kept.extend_from_slice(&inner_kept);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::chain::proto::soma::rpc as pb;

    fn mask(paths: &[&str]) -> Mask {
        Mask::from_paths(paths.iter().copied())
    }

    fn checkpoint() -> pb::Checkpoint {
        let transaction = pb::ExecutedTransaction {
            digest: Some("d".to_owned()),
            checkpoint: Some(7),
            effects: Some(pb::TransactionEffects { epoch: Some(2), ..Default::default() }),
            ..Default::default()
        };
        pb::Checkpoint {
            sequence_number: Some(7),
            digest: Some("c".to_owned()),
            transactions: vec![transaction.clone(), transaction],
            ..Default::default()
        }
    }

    #[test]
    fn a_path_into_a_repeated_message_keeps_that_field_of_every_element() {
        let masked = mask(&["transactions.digest", "sequence_number"]).apply("Checkpoint", checkpoint());
        let element = pb::ExecutedTransaction { digest: Some("d".to_owned()), ..Default::default() };
        let wanted = pb::Checkpoint {
            sequence_number: Some(7),
            transactions: vec![element.clone(), element],
            ..Default::default()
        };
        assert_eq!(masked, wanted);
    }

    #[test]
    fn a_message_selected_as_a_whole_wins_over_its_parts() {
        let masked = mask(&["transactions", "transactions.digest"]).apply("Checkpoint", checkpoint());
        assert_eq!(masked.transactions, checkpoint().transactions);
        assert_eq!(mask(&["*"]).apply("Checkpoint", checkpoint()), checkpoint());
    }

    #[test]
    fn no_path_selects_nothing_and_no_mask_the_default() {
        let empty = Mask::of(Some(FieldMask::default()), &["digest"]).apply("Checkpoint", checkpoint());
        assert_eq!(empty, pb::Checkpoint::default());
        let default = Mask::of(None, &["digest"]).apply("Checkpoint", checkpoint());
        assert_eq!(default, pb::Checkpoint { digest: Some("c".to_owned()), ..Default::default() });
    }

    #[test]
    fn maps_and_timestamps_are_selected_as_a_whole() {
        let epoch = pb::Epoch {
            start: Some(prost_types::Timestamp { seconds: 5, nanos: 0 }),
            protocol_config: Some(pb::ProtocolConfig {
                protocol_version: Some(5),
                attributes: HashMap::from([("base_fee".to_owned(), "1000".to_owned())]),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(mask(&["start", "protocol_config.attributes"]).apply("Epoch", epoch.clone()).start, epoch.start);
        let config = mask(&["protocol_config.attributes"]).apply("Epoch", epoch).protocol_config.unwrap_or_default();
        assert_eq!(config.attributes["base_fee"], "1000");
        assert_eq!(config.protocol_version, None);
    }

    #[test]
    fn unknown_paths_are_named_in_the_refusal() {
        for (message, path) in [
            ("Object", "bogus"),
            ("Object", "version.x"),
            ("ExecutedTransaction", "effects.bogus"),
            ("ExecutedTransaction", "objects.bogus.x"),
            ("Epoch", "start.seconds"),
        ] {
            let Err(status) = mask(&[path]).validated(message) else { panic!("{path} was accepted") };
            assert_eq!(status.message(), format!("invalid read_mask path: {path}"));
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
        }
        assert!(
            mask(&["effects.changed_objects", "objects.objects.contents"]).validated("ExecutedTransaction").is_ok()
        );
    }

    #[test]
    fn a_path_without_end_is_unknown_and_not_the_end_of_the_stack() {
        let endless = "effects.".repeat(400_000) + "x";
        assert!(mask(&[&endless]).validated("ExecutedTransaction").is_err());
        assert_eq!(mask(&[&endless]).apply("Checkpoint", checkpoint()), pb::Checkpoint::default());
    }

    proptest! {
        #[test]
        fn no_mask_panics_and_a_whole_one_changes_nothing(
            paths in vec("(\\*|transactions|effects|objects|digest|[a-z_.*]{0,12}|\\PC{0,8})(\\.(effects|objects|epoch|x)){0,4}", 0..6),
        ) {
            let asked = Mask::of(Some(FieldMask { paths: paths.clone() }), &[]);
            let answered = asked.clone().apply("Checkpoint", checkpoint());
            // What is left out once stays out: a mask applied twice is the mask.
            prop_assert_eq!(asked.clone().apply("Checkpoint", answered.clone()), answered);
            let _ = asked.clone().without_whole(&["objects"]).validated("Checkpoint");
            if paths.iter().any(|path| path == "*") {
                prop_assert_eq!(asked.apply("Checkpoint", checkpoint()), checkpoint());
            }
        }
    }

    #[test]
    fn a_field_can_be_answered_by_its_deeper_paths_only() {
        let answered = |paths: &[&str]| mask(paths).without_whole(&["objects"]).selects("objects");
        assert!(!answered(&["objects", "effects"]));
        assert!(answered(&["objects.objects"]));
        assert!(answered(&["*"]));
        assert!(!mask(&["transaction.objects"]).without_whole(&["transaction", "objects"]).selects("objects"));
    }
}
