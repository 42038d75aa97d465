//! placeholder
use crate::{ProtocolError, SessionId};
/// OPEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Open {
    /// Whether this is the first OPEN ever of the lane.
    pub fresh: bool,
    /// The session.
    pub session: SessionId,
    /// The lane.
    pub lane: u64,
    /// The number of the stream's first message.
    pub base: u64,
}
/// Reads the OPEN that starts a lane's stream, from the stream's first bytes; none while it is not whole.
pub fn peek_open(_bytes: &[u8]) -> Result<Option<Open>, ProtocolError> {
    todo!()
}
