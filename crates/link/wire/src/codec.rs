//! Messages as JSON in gRPC frames. What this version does not know becomes *unknown* and the stream goes on; what
//! is no JSON at all ends it, with the reason.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes};
use hostler_model::channel::{FromAgent, ToAgent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::enrol::{EnrolReply, EnrolRequest};
use crate::renewal::{RenewReply, RenewRequest};

/// tonic reserves this for each stream at once; its default of 8 KiB costs 8 kB more for every agent.
const BUFFER_BYTES: usize = 1024;
/// From here on several small messages are not gathered any further into one write: tonic's own default.
const YIELD_BYTES: usize = 32 * 1024;

/// Something that travels.
pub trait Message: Serialize + DeserializeOwned + Send + 'static {
    /// Reads a message of a newer version of which only some is understood; none when it cannot be salvaged.
    fn salvage(_json: Value) -> Option<Self> {
        None
    }

    /// The farewell's words, if it is one.
    fn farewell(&self) -> Option<&str> {
        None
    }
}

/// Puts an unknown tag in the place of a part that was not understood, so that the rest is: a step with a command
/// of a newer kind keeps its number, and can be answered.
fn blank(mut json: Value, path: &[&str], tag: &str) -> Value {
    let mut part = Some(&mut json);
    for key in path {
        part = part.and_then(|p| p.get_mut(key));
    }
    if let Some(part) = part {
        *part = serde_json::json!({ tag: "" });
    }
    json
}

impl Message for ToAgent {
    fn salvage(json: Value) -> Option<Self> {
        let less = blank(blank(json, &["command"], "do"), &["query"], "what");
        let less = blank(less, &["what"], "to");
        Some(serde_json::from_value(less).unwrap_or(ToAgent::Unknown))
    }
    fn farewell(&self) -> Option<&str> {
        match self {
            ToAgent::Bye { why } => Some(why),
            _ => None,
        }
    }
}

impl Message for FromAgent {
    fn salvage(json: Value) -> Option<Self> {
        // Never facts: a picture with a machine left out would say that the machine is gone.
        let less = blank(json, &["body", "outcome"], "is");
        Some(serde_json::from_value(less).unwrap_or(FromAgent::Unknown))
    }
    fn farewell(&self) -> Option<&str> {
        match self {
            FromAgent::Bye { why } => Some(why),
            _ => None,
        }
    }
}

impl Message for EnrolRequest {}
impl Message for EnrolReply {}
impl Message for RenewRequest {}
impl Message for RenewReply {}

/// Reads one message.
pub(crate) fn read<M: Message>(bytes: &[u8]) -> Result<M, Status> {
    let first = match serde_json::from_slice(bytes) {
        Ok(message) => return Ok(message),
        Err(e) => e,
    };
    let Ok(json @ Value::Object(_)) = serde_json::from_slice::<Value>(bytes) else {
        return Err(Status::invalid_argument(format!("a message that is not a JSON object: {first}")));
    };
    match M::salvage(json) {
        Some(message) => {
            tracing::warn!(why = %first, "part of a message was not understood; is the other side newer?");
            Ok(message)
        }
        None => Err(Status::invalid_argument(format!("a message that was not understood: {first}"))),
    }
}

/// Writes one message.
fn write<M: Message>(message: &M, to: impl std::io::Write) -> serde_json::Result<()> {
    #[cfg(feature = "dialects")]
    if let Some(dialect) = crate::dialect::spoken() {
        let mut json = serde_json::to_value(message)?;
        (dialect.says)(&mut json);
        return serde_json::to_writer(to, &json);
    }
    serde_json::to_writer(to, message)
}

/// What was heard, as this process's dialect has it.
#[cfg(feature = "dialects")]
fn heard(bytes: Bytes) -> Bytes {
    let Some(dialect) = crate::dialect::spoken() else { return bytes };
    let Ok(mut json) = serde_json::from_slice(&bytes) else { return bytes };
    (dialect.hears)(&mut json);
    Bytes::from(json.to_string())
}

/// The codec of every stream and call.
pub(crate) struct JsonCodec<E, D>(PhantomData<fn(E, D)>);

impl<E, D> Default for JsonCodec<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E: Message, D: Message> Codec for JsonCodec<E, D> {
    type Encode = E;
    type Decode = D;
    type Encoder = Json<E>;
    type Decoder = Json<D>;

    fn encoder(&mut self) -> Self::Encoder {
        Json(PhantomData)
    }
    fn decoder(&mut self) -> Self::Decoder {
        Json(PhantomData)
    }
}

pub(crate) struct Json<M>(PhantomData<fn(M)>);

impl<M: Message> Encoder for Json<M> {
    type Item = M;
    type Error = Status;

    fn encode(&mut self, message: M, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        write(&message, to.writer())
            .map_err(|e| Status::internal(format!("a message that cannot be written: {e}")))
    }
    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

impl<M: Message> Decoder for Json<M> {
    type Item = M;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<M>, Status> {
        // One message is one frame, but not always one piece of memory.
        let bytes = from.copy_to_bytes(from.remaining());
        #[cfg(feature = "dialects")]
        let bytes = heard(bytes);
        read(&bytes).map(Some)
    }
    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

/// The codec of byte streams: what is in a frame is what was given.
#[derive(Default)]
pub(crate) struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, bytes: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(bytes);
        Ok(())
    }
    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use hostler_model::channel::{Query, StreamKind};
    use hostler_model::command::{Command, Outcome};
    use hostler_model::{StepNo, channel::ReportBody};

    fn read_str<M: Message>(json: &str) -> Result<M, String> {
        read(json.as_bytes()).map_err(|status| status.message().to_owned())
    }

    #[test]
    fn a_step_of_which_a_newer_part_is_not_understood_keeps_its_number() {
        let step = |command: &str| {
            format!(
                r#"{{"say":"do","no":7,"floor":5,"mark":{{"epoch":1,"job":2,"step":"s"}},"undo":false,"command":{command}}}"#
            )
        };
        // A newer command; a command whose content is of a newer kind; a field that has become something else.
        for command in [
            r#"{"do":"levitate","height_m":3}"#,
            r#"{"do":"make-disk","file":"/f","owner":"01930000-0000-7000-8000-0000000000d0","format":"raw","size_bytes":1,"content":{"is":"from-tape"}}"#,
            r#"{"do":"start","domain":{"several":[]}}"#,
        ] {
            match read_str(&step(command)).unwrap() {
                ToAgent::Do { no, floor, command, .. } => {
                    assert_eq!((no, floor, *command), (StepNo(7), StepNo(5), Command::Unknown));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_stream_of_a_newer_kind_keeps_its_ticket_so_that_it_can_be_refused() {
        let ticket = "01930000-0000-7000-8000-0000000000d0";
        for what in [r#"{"to":"smell"}"#, r#"{"to":"graphics","domain":{"several":[]}}"#, "7"] {
            let open: ToAgent =
                read_str(&format!(r#"{{"say":"open","stream":"{ticket}","what":{what}}}"#)).unwrap();
            assert_eq!(open, ToAgent::Open { stream: ticket.parse().unwrap(), what: StreamKind::Unknown });
        }
    }

    #[test]
    fn a_newer_question_or_outcome_becomes_unknown_and_the_rest_is_kept() {
        let ask: ToAgent =
            read_str(r#"{"say":"ask","question":3,"query":{"what":"screenshot","domain":7}}"#).unwrap();
        assert_eq!(ask, ToAgent::Ask { question: 3, query: Query::Unknown });
        let report = r#"{"say":"report","session":1,"journal":"01930000-0000-7000-8000-0000000000d0","run":1,"body":{"is":"ended","no":4,"outcome":{"is":"done","answer":5}}}"#;
        match read_str(report).unwrap() {
            FromAgent::Report(report) => {
                assert_eq!(report.body, ReportBody::Ended { no: StepNo(4), outcome: Outcome::Unknown });
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_picture_is_never_taken_with_a_machine_left_out() {
        let picture = r#"{"say":"report","session":1,"journal":"01930000-0000-7000-8000-0000000000d0","run":1,"facts":[{"strange":1}],"body":{"is":"picture","as_of":1}}"#;
        assert_eq!(read_str(picture), Ok(FromAgent::Unknown));
    }

    #[test]
    fn what_is_no_json_object_is_refused_with_the_reason() {
        for text in ["", "hello", "[1]", "{\"say\":", "\u{0}\u{1}"] {
            let why = read_str::<FromAgent>(text).unwrap_err();
            assert!(why.contains("not a JSON object"), "{why}");
        }
    }
}
