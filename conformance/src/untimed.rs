//! Traces without their times, so that runs can be compared that do not take equally long.

use std::collections::BTreeMap;

use peer_sender_driver::trace::{
    FORMAT, MAGIC, MachineId, Record, StepResult, TraceAction, TraceEvent, TraceMessage,
    TraceReader, frame,
};
use peer_sender_driver::{PeerEvent, Time};

/// The traces of single machines.
pub type Machines = BTreeMap<MachineId, Vec<Record>>;

/// The records of each machine of a trace, with all times zero: of steps, of when a message expires or
/// came in, of when something is tried again, and of the machine's zero. Durations are what a machine
/// was told or has drawn, and stay. Traces for this have actions instead of digests of them.
///
/// # Errors
///
/// It is no whole trace; or what it has keeps times where they cannot be seen: digests, images, marks.
pub fn untimed(trace: &[u8]) -> Result<Machines, String> {
    let mut reader = TraceReader::new();
    reader.feed(trace);
    let mut machines = Machines::new();
    while let Some(mut record) = reader.next_record().map_err(|error| error.to_string())? {
        let machine = forget_times(&mut record)?;
        machines.entry(machine).or_default().push(record);
    }
    match reader.torn() {
        0 => Ok(machines),
        bytes => Err(format!("{bytes} bytes at the end are no record")),
    }
}

/// The bytes of a trace that has these records.
///
/// # Errors
///
/// A record is longer than any may be.
pub fn bytes(records: &[Record]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::from(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    for record in records {
        let body = postcard::to_allocvec(record).map_err(|error| error.to_string())?;
        if !frame(&body, &mut bytes) {
            return Err("a record is too long".to_owned());
        }
    }
    Ok(bytes)
}

/// Says where two runs differ first, if they do: of which machine, in which of its steps, at which
/// event.
pub fn difference(one: &Machines, other: &Machines) -> Option<String> {
    let (those, these): (Vec<_>, Vec<_>) = (one.keys().collect(), other.keys().collect());
    if those != these {
        return Some(format!("machines {those:?}, and {these:?}"));
    }
    for ((machine, one), other) in one.iter().zip(other.values()) {
        let same = one
            .iter()
            .zip(other)
            .take_while(|(one, other)| one == other);
        let place = same.count();
        let told = match (one.get(place), other.get(place)) {
            (None, None) => continue,
            (Some(one), Some(other)) => first_of(one, other),
            (Some(more), None) | (None, Some(more)) => format!("only one has {more:?}"),
        };
        let before = place.checked_sub(1).and_then(|before| one.get(before));
        return Some(format!(
            "machine {} differs in record {place}: {told}\nwhat came before: {before:?}",
            machine.0
        ));
    }
    None
}

fn first_of(one: &Record, other: &Record) -> String {
    if let (Record::Step { events, .. }, Record::Step { events: others, .. }) = (one, other) {
        let same = events
            .iter()
            .zip(others)
            .take_while(|(one, other)| one == other);
        let place = same.count();
        if let (Some(event), Some(other)) = (events.get(place), others.get(place)) {
            return format!("event {place} is {event:?}, and {other:?}");
        }
    }
    format!("{one:?}\nand {other:?}")
}

/// Whose record it is.
fn forget_times(record: &mut Record) -> Result<MachineId, String> {
    match record {
        Record::Made { machine, about, .. } => {
            about.zero_unix_nanos = 0;
            Ok(*machine)
        }
        Record::Events { machine, events } => {
            events.iter_mut().for_each(forget_in_event);
            Ok(*machine)
        }
        Record::Step {
            machine,
            now,
            events,
            result,
            ..
        } => {
            *now = Time::ZERO;
            events.iter_mut().for_each(forget_in_event);
            let StepResult::Actions(actions) = result else {
                return Err("a digest of actions has their times in it".to_owned());
            };
            actions.iter_mut().for_each(forget_in_action);
            Ok(*machine)
        }
        Record::Gone { machine } => Ok(*machine),
        Record::Image { .. } => Err("an image has times in it".to_owned()),
        Record::Header(_) | Record::Mark { .. } => Err("it is of no machine".to_owned()),
    }
}

fn forget_in_event(event: &mut TraceEvent) {
    if let TraceEvent::MessageQueued { expires_at, .. } = event {
        expires_at.iter_mut().for_each(forget);
    }
}

fn forget_in_action(action: &mut TraceAction) {
    match action {
        TraceAction::ScheduleBackoff { until, .. } => forget(until),
        TraceAction::Emit(
            PeerEvent::BackoffStarted { until: at, .. } | PeerEvent::SlowPeer { since: at },
        ) => forget(at),
        TraceAction::Emit(PeerEvent::Disconnected { retry_at, .. }) => {
            retry_at.iter_mut().for_each(forget);
        }
        TraceAction::Deliver(message) => forget_in_message(message),
        TraceAction::SessionDelivered { messages, .. } => {
            messages.iter_mut().for_each(forget_in_message);
        }
        _ => {}
    }
}

fn forget_in_message(message: &mut TraceMessage) {
    forget(&mut message.received_at);
}

fn forget(time: &mut Time) {
    *time = Time::ZERO;
}
