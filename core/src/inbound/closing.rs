//! Why a receiving half closes a connection.

use alloc::format;
use alloc::string::{String, ToString};

use crate::{Action, Attempt, CloseCode, LinkError, ProtocolError};

/// Why a connection is to be closed by us.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Closing {
    Protocol(ProtocolError),
    TooLarge { bytes: u64, max: usize },
    Overloaded,
}

impl Closing {
    pub(crate) fn code(&self) -> CloseCode {
        match self {
            Self::Protocol(_) => CloseCode::Protocol,
            Self::TooLarge { .. } => CloseCode::MessageTooLarge,
            Self::Overloaded => CloseCode::ExcessiveLoad,
        }
    }

    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Protocol(error) => error.to_string(),
            Self::TooLarge { bytes, max } => {
                format!("a message of {bytes} bytes, the limit is {max}")
            }
            Self::Overloaded => String::from("more refused messages than are remembered"),
        }
    }

    /// The same for the user of the end that closes.
    pub(crate) fn into_error(self) -> LinkError {
        match self {
            Self::Protocol(error) => LinkError::Protocol(error),
            Self::TooLarge { .. } | Self::Overloaded => LinkError::ClosedHere {
                code: self.code(),
                reason: self.reason(),
            },
        }
    }

    /// How the connection is closed.
    pub(crate) fn close(&self, attempt: Attempt) -> Action {
        Action::Close {
            attempt,
            code: self.code(),
            reason: self.reason(),
        }
    }
}

impl From<ProtocolError> for Closing {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}
