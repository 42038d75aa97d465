//! The invariants of the table, by their ids in `docs/invariants.md`.

use alloc::collections::BTreeMap;

use super::{Owner, Sessions};
use crate::Violation;

impl Sessions {
    /// The invariants of the table and of each machine in it, between steps.
    ///
    /// # Errors
    ///
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), Violation> {
        let wrong = |id, what| Err(Violation { id, what });
        if self.sessions.len() > self.config.sessions_max {
            return wrong("I21", "more sessions than may be");
        }
        let newest = self.sessions.last_key_value().map(|(handle, _)| handle.0);
        if newest.is_some_and(|newest| newest >= self.next_handle) {
            return wrong("I10", "a session has a name that was not given out");
        }
        let newest = self.connections.last_key_value().map(|(&it, _)| it);
        if newest > self.newest {
            return wrong("I10", "a connection was never accepted");
        }
        if self.by_name.len() != self.sessions.len() {
            return wrong("I21", "sessions and their names differ in number");
        }
        let idle = self
            .sessions
            .values()
            .filter(|session| session.idle_since.is_some())
            .count();
        let timed = self
            .sessions
            .values()
            .filter(|session| session.deadline.is_some())
            .count();
        if (self.idle.len(), self.deadlines.len()) != (idle, timed) {
            return wrong("I15", "an index of times has another number of sessions");
        }
        let held: usize = self.sessions.values().map(|it| it.machine.held().0).sum();
        if held != self.room.held() {
            return wrong("I21", "what all sessions hold differs from what each does");
        }
        let mut of_share = BTreeMap::new();
        for session in self.sessions.values() {
            *of_share.entry(session.name.0.share).or_default() += session.machine.held().0;
        }
        of_share.retain(|_, held| *held > 0);
        if of_share != *self.room.of_share() {
            return wrong(
                "I21",
                "what a share holds differs from what its sessions do",
            );
        }
        let mut bound = 0;
        for (handle, session) in &self.sessions {
            session.machine.check()?;
            bound += session.machine.connections();
            if self.by_name.get(&session.name) != Some(handle) {
                return wrong("I10", "a session is not found by its name");
            }
            if session.idle_since.is_some() != (session.machine.connections() == 0) {
                return wrong(
                    "I15",
                    "a session is idle exactly while it has no connection",
                );
            }
            if session
                .idle_since
                .is_some_and(|since| !self.idle.contains(&(since, *handle)))
            {
                return wrong("I15", "an idle session is not among the idle");
            }
            if session.deadline != session.machine.next_deadline() {
                return wrong("I15", "a machine waits for another moment than is noted");
            }
        }
        let owned = self
            .connections
            .values()
            .filter(|owner| matches!(owner, Owner::Session(_)))
            .count();
        if owned != bound {
            return wrong("I10", "a connection is bound on one side only");
        }
        for (&attempt, owner) in &self.connections {
            let Owner::Session(handle) = owner else {
                continue;
            };
            if !self
                .sessions
                .get(handle)
                .is_some_and(|session| session.machine.has(attempt))
            {
                return wrong(
                    "I10",
                    "a connection is bound to a session that does not have it",
                );
            }
        }
        Ok(())
    }
}
