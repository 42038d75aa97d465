//! A listener and a sender.

use super::{Directory, Listener, Ran, run};

/// Two identities that know each other.
pub(crate) struct Pair {
    pub(crate) directory: Directory,
    pub(crate) listener_key: String,
    pub(crate) sender_key: String,
}

impl Pair {
    pub(crate) fn new(test: &str) -> Self {
        let directory = Directory::new(test);
        let (listener_key, sender_key) = (directory.key("listener"), directory.key("sender"));
        Self {
            directory,
            listener_key,
            sender_key,
        }
    }

    pub(crate) fn listen(&self, bind: &str) -> Listener {
        let allow = format!("--allow {} --json", self.sender_key);
        Listener::start(&self.directory.file("listener"), bind, &allow)
    }

    pub(crate) fn send_line(&self, to: &str, what: &str) -> String {
        let (peer_key, key) = (&self.listener_key, self.directory.file("sender"));
        format!("send --to {to} --peer-key {peer_key} --key {key} --json {what}")
    }

    pub(crate) fn send(&self, to: &str, what: &str) -> Ran {
        run(&self.send_line(to, what))
    }
}
