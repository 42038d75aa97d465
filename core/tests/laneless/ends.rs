//! The two ends of a connection.

use std::ops::{Index, IndexMut};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Dialler,
    Listener,
}

impl End {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Listener,
            Self::Listener => Self::Dialler,
        }
    }
}

/// What each end has.
#[derive(Clone, Copy, Default)]
pub(crate) struct Both<T> {
    pub(crate) dialler: T,
    pub(crate) listener: T,
}

impl<T> Index<End> for Both<T> {
    type Output = T;

    fn index(&self, end: End) -> &T {
        match end {
            End::Dialler => &self.dialler,
            End::Listener => &self.listener,
        }
    }
}

impl<T> IndexMut<End> for Both<T> {
    fn index_mut(&mut self, end: End) -> &mut T {
        match end {
            End::Dialler => &mut self.dialler,
            End::Listener => &mut self.listener,
        }
    }
}
