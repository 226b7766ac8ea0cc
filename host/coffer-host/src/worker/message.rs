//! What passes between coffer and a worker, and how it is written down.
//!
//! What comes from a worker may come from whoever took it over. So a message has a greatest length, and
//! what is built from it cannot be much larger than itself: every list element costs bytes of structure,
//! which are counted.

use crate::asked::{Answered, ToInstance};
use crate::imports::{Effect, Logged, Reply, Sight};
use crate::limits;
use crate::observed::Usage;
use crate::sandbox::Failure;
use coffer_grants::{Access, DirectoryGrant};
use postcard::{de_flavors, ser_flavors};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What a worker is told first, before it closes itself in. The directories come before it, and the code
/// or the component after it.
#[derive(Serialize, Deserialize)]
pub(super) struct Setup {
    /// Who started it. If that is gone already, so is the reason for it.
    pub(super) parent: u32,
    pub(super) writer: bool,
    pub(super) lister: bool,
    pub(super) bytes: u64,
    pub(super) memory_bytes: u64,
    pub(super) work: Work,
    /// Whether instructions are counted.
    pub(super) metered: bool,
}

/// What the worker is for.
#[derive(Serialize, Deserialize)]
pub(super) enum Work {
    /// Compiles the component that follows, and ends.
    Compile { cpu_s: u64 },
    /// Runs instances of the code that follows.
    Run {
        memory: u64,
        body: u64,
        concurrency: u64,
        settings: Vec<(String, String)>,
        directories: Vec<Shown>,
    },
}

/// A granted directory, as the guest sees it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(super) guest: String,
    pub(super) writable: bool,
}

impl Shown {
    pub(crate) fn of(grant: &DirectoryGrant) -> Self {
        let writable = match grant.access() {
            Access::ReadOnly => false,
            Access::ReadWrite => true,
        };
        Self { guest: grant.guest().to_owned(), writable }
    }
}

/// What a worker that runs instances is told. Who sends it keeps the instance.
#[derive(Serialize, Deserialize)]
pub(super) enum ToWorker<I = ToInstance> {
    Call {
        call: u64,
        instance: I,
    },
    /// Nobody waits for the call any more.
    Cancel {
        call: u64,
    },
    Reply {
        call: u64,
        number: u64,
        reply: Reply,
    },
}

/// What it says.
#[derive(Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The guest of a call wants something of the world.
    Effect { call: u64, number: u64, effect: Effect },
    /// A call is over, and nothing more is said of it.
    Ended { call: u64, answer: Result<Answered, Failure>, sights: Vec<Sight>, log: Logged },
    /// A call begins. Nothing is done for it before this is on its way.
    Begun { call: u64 },
    /// What a call used, if instructions are counted; it is over right after.
    Used { call: u64, usage: Usage },
}

/// What a worker says when it has closed itself in and read what it works on.
#[derive(Serialize, Deserialize)]
pub(super) enum Ready {
    /// So many bytes of compiled code follow.
    Compiled(u64),
    Running,
    /// The component cannot be compiled.
    Uncompilable(String),
    /// It does not keep to the interfaces that it names.
    Unfit(String),
    /// The fence could not be put up.
    Unfenced(String),
}

/// A message as it is sent, its length first. Overwritten when it is dropped.
pub(super) type Frame = Zeroizing<Vec<u8>>;

/// Bytes of a frame before the message.
pub(super) const LENGTH_BYTES: usize = 4;

/// A message that is longer, or of more parts, than may be sent.
#[derive(Debug)]
pub(super) struct TooMuch;

pub(super) fn encode(message: &impl Serialize) -> Result<Frame, TooMuch> {
    let writing = Writing { frame: Zeroizing::new(vec![0; LENGTH_BYTES]), structure: 0 };
    let mut frame = postcard::serialize_with_flavor(message, writing).map_err(|_| TooMuch)?;
    let length = u32::try_from(frame.len() - LENGTH_BYTES).map_err(|_| TooMuch)?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// The length of the message that follows these bytes, if there may be one of it.
pub(super) fn length(bytes: [u8; LENGTH_BYTES]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes) as usize;
    (length <= limits::MESSAGE_BYTES_MAX).then_some(length)
}

/// Reads a message, without the length.
pub(super) fn decode<'m, M: Deserialize<'m>>(message: &'m [u8]) -> Option<M> {
    let reading = Reading { rest: message, structure: 0 };
    let mut deserializer = postcard::Deserializer::from_flavor(reading);
    let decoded = M::deserialize(&mut deserializer).ok()?;
    deserializer.finalize().ok()?.is_empty().then_some(decoded)
}

struct Writing {
    frame: Frame,
    structure: usize,
}

impl ser_flavors::Flavor for Writing {
    type Output = Frame;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        // A number has ten bytes at most. Short texts count as well, so what passes here passes there.
        if bytes.len() <= 10 {
            self.structure += bytes.len();
        }
        let needed = self.frame.len() + bytes.len();
        if needed - LENGTH_BYTES > limits::MESSAGE_BYTES_MAX
            || self.structure > limits::MESSAGE_STRUCTURE_BYTES_MAX
        {
            return Err(postcard::Error::SerializeBufferFull);
        }
        if needed > self.frame.capacity() {
            // A buffer that grows by itself leaves what was in it behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.frame.len())));
            larger.extend_from_slice(&self.frame);
            self.frame = larger;
        }
        self.frame.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Frame> {
        Ok(self.frame)
    }
}

struct Reading<'m> {
    rest: &'m [u8],
    structure: usize,
}

impl<'m> de_flavors::Flavor<'m> for Reading<'m> {
    type Remainder = &'m [u8];
    type Source = &'m [u8];

    fn pop(&mut self) -> postcard::Result<u8> {
        let (byte, rest) =
            self.rest.split_first().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.structure += 1;
        if self.structure > limits::MESSAGE_STRUCTURE_BYTES_MAX {
            return Err(postcard::Error::DeserializeUnexpectedEnd);
        }
        self.rest = rest;
        Ok(*byte)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }

    fn try_take_n(&mut self, count: usize) -> postcard::Result<&'m [u8]> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.rest = rest;
        Ok(taken)
    }

    fn finalize(self) -> postcard::Result<&'m [u8]> {
        Ok(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Bytes;

    fn resolved(values: &[Bytes]) -> FromWorker {
        let given = |value: &Bytes| {
            Ok(crate::asked::Given { value: value.clone(), version: None, expires_at: None })
        };
        let answer = Ok(Answered::Resolve(values.iter().map(given).collect()));
        let log = crate::imports::Log::default().into();
        FromWorker::Ended { call: 7, answer, sights: Vec::new(), log }
    }

    #[test]
    fn what_is_written_is_read() {
        let frame = encode(&resolved(&[Bytes::new(vec![9; 100_000])])).unwrap();
        let (prefix, message) = frame.split_first_chunk().unwrap();
        assert_eq!(length(*prefix), Some(message.len()));
        let Some(FromWorker::Ended { call: 7, answer: Ok(Answered::Resolve(given)), .. }) =
            decode(message)
        else {
            panic!("another message");
        };
        assert!(given[0].as_ref().is_ok_and(|given| *given.value == [9; 100_000]));
        // Cut short, or with something behind it, it is none.
        assert!(decode::<FromWorker>(&message[..message.len() - 1]).is_none());
        assert!(decode::<FromWorker>(&[message, &[0]].concat()).is_none());
    }

    #[test]
    fn a_message_has_a_greatest_length() {
        // Bytes have their length before them, in four.
        let bytes = |count| encode(&Bytes::new(vec![0; count])).map(|frame| frame.len());
        let most = limits::MESSAGE_BYTES_MAX - 4;
        assert_eq!(bytes(most).unwrap(), LENGTH_BYTES + limits::MESSAGE_BYTES_MAX);
        assert!(bytes(most + 1).is_err());
        let most = limits::MESSAGE_BYTES_MAX;
        assert_eq!(length((most as u32).to_le_bytes()), Some(most));
        assert_eq!(length((limits::MESSAGE_BYTES_MAX as u32 + 1).to_le_bytes()), None);
        assert_eq!(length([0xff; 4]), None);
    }

    /// A short message that claims to be a long list does not make one.
    #[test]
    fn a_message_makes_nothing_much_larger_than_itself() {
        // One byte for each, and three for their number.
        let most = limits::MESSAGE_STRUCTURE_BYTES_MAX - 3;
        let frame = encode(&vec![String::new(); most]).unwrap();
        assert_eq!(
            decode::<Vec<String>>(&frame[LENGTH_BYTES..]).map(|list| list.len()),
            Some(most)
        );
        assert!(encode(&vec![String::new(); most + 1]).is_err());
        let mut more = frame[LENGTH_BYTES..].to_vec();
        more[0] += 1;
        more.push(0);
        assert!(decode::<Vec<String>>(&more).is_none());
        // The largest number takes ten.
        let frame = encode(&vec![u64::MAX; most / 10]).unwrap();
        assert!(decode::<Vec<u64>>(&frame[LENGTH_BYTES..]).is_some());
        assert!(encode(&vec![u64::MAX; most / 10 + 1]).is_err());
        let mut claimed = vec![0; limits::MESSAGE_STRUCTURE_BYTES_MAX + 1];
        // The number of elements, as it is written.
        claimed[..4].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
        assert!(decode::<Vec<String>>(&claimed).is_none());
        assert!(decode::<Vec<String>>(&[0xff, 0xff, 0xff, 0x7f]).is_none());
    }
}
