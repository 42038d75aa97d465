//! What is asked of the driver.

use std::net::{Ipv4Addr, SocketAddr};

use peer_sender_core::{Config, ConfigError, MessageId};
use peer_sender_quic::{PeerSnapshot, PeerStats};
use thiserror::Error;

use super::{Kind, PeerShared};
use crate::bell::lock;
use crate::mailbox::Mailbox;
use crate::wait::{Answer, Reply, reply};

/// Why a peer's addresses were not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum AddressesError {
    /// One of them cannot be dialled.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// It is a sender of replies.
    #[error("a sender of replies does not dial: whoever it answers decides where from it comes")]
    Replies,
    /// The sender is stopping or has stopped.
    #[error("the sender was stopped; make a new one with these addresses")]
    Stopped,
}

impl PeerShared {
    pub(super) async fn stats(&self) -> PeerStats {
        match self.ask(Mailbox::ask_stats).await {
            Some(stats) => stats,
            None => lock(&self.mailbox).last_stats,
        }
    }

    pub(super) async fn snapshot(&self) -> Option<PeerSnapshot> {
        self.ask(Mailbox::ask_snapshot).await
    }

    /// Leaves a question, which the mailbox hands back if it comes too late.
    fn ask<T>(
        &self,
        ask: impl FnOnce(&mut Mailbox, Reply<T>) -> Result<(), Reply<T>>,
    ) -> Answer<T> {
        let (to, from) = reply();
        let asked = {
            let mut mailbox = lock(&self.mailbox);
            ask(&mut mailbox, to).map(|()| mailbox.announce())
        };
        self.ring_if(asked.is_ok_and(|announce| announce));
        from
    }

    pub(super) fn cancel(&self, id: MessageId) {
        let (_message, announce) = self.apart(|mailbox, wakers| {
            let message = mailbox.cancel(id, wakers);
            let announce = message.is_none() && mailbox.announce();
            (message, announce)
        });
        self.ring_if(announce);
    }

    pub(super) fn wake(&self) {
        if self.kind() == Kind::Dialled {
            let announce = {
                let mut mailbox = lock(&self.mailbox);
                mailbox.wake();
                mailbox.announce()
            };
            self.ring_if(announce);
        }
    }

    pub(super) fn set_addresses(&self, addresses: Vec<SocketAddr>) -> Result<(), AddressesError> {
        match self.kind() {
            Kind::Dialled => {}
            Kind::Replies => return Err(AddressesError::Replies),
        }
        // Checked where the addresses of a new peer are; the one in the argument is replaced.
        let replaced = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        Config::builder(replaced)
            .addresses(addresses.clone())
            .build()?;
        let announce = {
            let mut mailbox = lock(&self.mailbox);
            if !mailbox.set_addresses(addresses) {
                return Err(AddressesError::Stopped);
            }
            mailbox.announce()
        };
        self.ring_if(announce);
        Ok(())
    }
}
