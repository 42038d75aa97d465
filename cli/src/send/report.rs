//! What `send` says at the end.

use std::fmt::Write;

use peer_sender_tokio::Protocol;
use serde::Serialize;

use crate::figures::{self, thousands};
use crate::latency::Percentiles;
use crate::transfer::{Fate, Tally};

/// The outcome of every message that was accepted, in figures.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    accepted: u64,
    delivered: u64,
    written: u64,
    expired: u64,
    cancelled: u64,
    refused: u64,
    failed: u64,
    unknown: u64,
    reconnects: u64,
    seconds: f64,
    messages_per_second: f64,
    latency_us: Percentiles,
    #[serde(skip)]
    protocol: Protocol,
}

impl Report {
    pub(super) fn new(tally: &Tally, reconnects: u64, protocol: Protocol) -> Self {
        let seconds = tally.seconds();
        Self {
            accepted: tally.accepted_count(),
            delivered: tally.count(Fate::Delivered),
            written: tally.count(Fate::Written),
            expired: tally.count(Fate::Expired),
            cancelled: tally.count(Fate::Cancelled),
            refused: tally.count(Fate::Refused),
            failed: tally.count(Fate::Failed),
            unknown: tally.count(Fate::Unknown),
            reconnects,
            seconds,
            messages_per_second: figures::rate(tally.good(), seconds),
            latency_us: tally.latency().percentiles(),
            protocol,
        }
    }

    /// One line.
    pub(super) fn json(&self) -> String {
        format!("{}\n", serde_json::json!(self))
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{} of {} {}{} in {:.2} s, {} a second, {}\n",
            thousands(self.delivered + self.written),
            figures::plural(self.accepted, "message"),
            self.got_through(),
            self.to_whom(),
            self.seconds,
            thousands(self.messages_per_second as u64),
            figures::plural(self.reconnects, "reconnect"),
        );
        if let Percentiles {
            p50: Some(p50),
            p99: Some(p99),
            max: Some(max),
        } = self.latency_us
        {
            let [p50, p99, max] = [p50, p99, max].map(figures::micros);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "from hand-over to {}: p50 {p50}, p99 {p99}, max {max}",
                match self.protocol {
                    Protocol::Lanes => "receipt",
                    Protocol::Plain | Protocol::Framed => "acknowledgement",
                }
            );
        }
        text
    }

    /// What is said of what got through.
    fn got_through(&self) -> &'static str {
        match self.protocol {
            Protocol::Lanes | Protocol::Plain => "delivered",
            Protocol::Framed => "written",
        }
    }

    /// Who has what was delivered, where that is not the application.
    fn to_whom(&self) -> &'static str {
        match self.protocol {
            Protocol::Lanes => "",
            Protocol::Plain => " to the peer's transport, which says nothing of its application,",
            Protocol::Framed => ", which the peer's transport has acknowledged,",
        }
    }

    /// For whoever did not read the rest.
    pub(super) fn in_short(&self) -> String {
        let messages = figures::plural(self.accepted, "message");
        let were = if self.accepted == 1 { "was" } else { "were" };
        let which = match (self.accepted, self.delivered + self.written) {
            (0, _) => return "nothing was handed over".to_owned(),
            (1, 1) => "the ".to_owned(),
            (accepted, delivered) if accepted == delivered => "all ".to_owned(),
            (_, delivered) => format!("{} of ", thousands(delivered)),
        };
        let to_whom = match self.protocol {
            Protocol::Lanes => "",
            Protocol::Plain => " to the peer's transport",
            Protocol::Framed => "",
        };
        format!("{which}{messages} {were} {}{to_whom}", self.got_through())
    }
}

/// What was not delivered, which messages those are, and what to do about it.
pub(super) fn shortcomings(tally: &Tally, whole: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for fate in Fate::ALL.into_iter().filter(|&fate| !fate.is_good()) {
        let count = tally.count(fate);
        if count > 0 {
            let (name, which, advice) = (fate.name(), tally.which(fate), fate.advice());
            let numbers = if count == 1 { "number" } else { "numbers" };
            lines.push(format!(
                "{} {name} ({numbers} {which} of those accepted, from 1): {advice}",
                thousands(count)
            ));
        }
    }
    if tally.not_accepted_count() > 0 {
        let count = thousands(tally.not_accepted_count());
        lines.push(format!("{count} not accepted: see the reasons above"));
    }
    if !whole {
        let rest = match tally.accepted_count() {
            0 => "send all of it again".to_owned(),
            last => format!("send what comes after number {last} again"),
        };
        lines.push(format!("stopped before all was handed over: {rest}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use peer_sender_tokio::{Level, Outcome, Time, UnknownReason};
    use serde_json::{Value, json};

    use super::*;

    fn tally() -> Tally {
        let mut tally = Tally::new();
        let start = Time::from_secs(1);
        for _ in 0..4 {
            tally.accepted(start);
        }
        let end = Time::from_secs(3);
        for number in 1..4 {
            tally.settled(number, &Outcome::Delivered(Level::Application), start, end);
        }
        tally.settled(4, &Outcome::Unknown(UnknownReason::Stopped), start, end);
        tally
    }

    #[test]
    fn the_json_has_every_field_that_scripts_rely_on() {
        let report: Value =
            serde_json::from_str(&Report::new(&tally(), 2, Protocol::Lanes).json()).unwrap();
        let latency = &report["latency_us"];
        assert!(
            latency["p50"]
                .as_u64()
                .is_some_and(|p50| (1_990_000..2_010_000).contains(&p50))
        );
        assert!(latency["p99"].is_u64() && latency["max"].is_u64());
        let mut rest = report.clone();
        rest["latency_us"] = Value::Null;
        assert_eq!(
            rest,
            json!({
                "accepted": 4, "delivered": 3, "written": 0, "expired": 0, "cancelled": 0,
                "refused": 0, "failed": 0, "unknown": 1, "reconnects": 2, "seconds": 2.0,
                "messages_per_second": 1.5, "latency_us": null,
            })
        );
    }

    #[test]
    fn people_read_one_of_a_thing_as_one() {
        let first_line = |tally: &Tally, reconnects| {
            let table = Report::new(tally, reconnects, Protocol::Lanes).table();
            table.lines().next().map(str::to_owned)
        };
        let line = "3 of 4 messages delivered in 2.00 s, 1 a second, 1 reconnect";
        assert_eq!(first_line(&tally(), 1).as_deref(), Some(line));
        assert!(first_line(&tally(), 0).is_some_and(|line| line.ends_with("0 reconnects")));
    }

    #[test]
    fn in_short_it_is_said_how_many_were_delivered() {
        let in_short = |tally: &Tally| Report::new(tally, 0, Protocol::Lanes).in_short();
        assert_eq!(in_short(&tally()), "3 of 4 messages were delivered");
        let mut one = Tally::new();
        let number = one.accepted(Time::ZERO);
        assert_eq!(in_short(&one), "0 of 1 message was delivered");
        let delivered = Outcome::Delivered(Level::Application);
        one.settled(number, &delivered, Time::ZERO, Time::ZERO);
        assert_eq!(in_short(&one), "the 1 message was delivered");
        one.accepted(Time::ZERO);
        let number = one.accepted(Time::ZERO);
        one.settled(number, &delivered, Time::ZERO, Time::ZERO);
        assert_eq!(in_short(&one), "2 of 3 messages were delivered");
    }

    #[test]
    fn under_the_plain_protocol_it_is_said_who_has_what_was_delivered() {
        let report = Report::new(&tally(), 0, Protocol::Plain);
        let in_short = "3 of 4 messages were delivered to the peer's transport";
        assert_eq!(report.in_short(), in_short);
        let table = report.table();
        assert!(table.contains("says nothing of its application"), "{table}");
        assert!(
            table.contains("from hand-over to acknowledgement"),
            "{table}"
        );
        assert!(!report.json().contains("protocol"));
    }

    #[test]
    fn nothing_sent_is_no_division_by_zero() {
        let report: Value =
            serde_json::from_str(&Report::new(&Tally::new(), 0, Protocol::Lanes).json()).unwrap();
        assert_eq!(report["messages_per_second"], json!(0.0));
        let nothing = json!({"p50": null, "p99": null, "max": null});
        assert_eq!(report["latency_us"], nothing);
    }

    #[test]
    fn what_was_not_delivered_is_named_with_what_to_do() {
        let lines = shortcomings(&tally(), true);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].starts_with("1 unknown (number 4 of those accepted, from 1): they may have"),
            "{lines:?}"
        );
        let lines = shortcomings(&tally(), false);
        assert!(lines[1].contains("comes after number 4"), "{lines:?}");
        let lines = shortcomings(&Tally::new(), false);
        assert!(lines[0].ends_with("send all of it again"), "{lines:?}");
    }
}
