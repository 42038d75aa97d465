//! Rewriting a text in places that may lie within each other.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

/// How one place is written anew.
pub enum Edit {
    /// An early return in front of it.
    Return(Vec<(usize, String)>),
    /// A binary expression with other operators: both operands, the operator, and what each mutant
    /// has in its place.
    Binary {
        left: Range<usize>,
        operator: String,
        right: Range<usize>,
        instead: Vec<(usize, String)>,
    },
    /// A unary expression without its operator.
    Unary {
        operator: String,
        operand: Range<usize>,
        mutant: usize,
    },
    /// A guard that always, or never, holds.
    Guard(Vec<(usize, String)>),
    /// An arm that is never taken: its pattern, and its guard if it has one.
    Arm {
        pattern: Range<usize>,
        guard: Option<Range<usize>>,
        mutant: usize,
    },
}

/// A text, and what is to be written anew in it: by where it begins, the outer one first.
pub struct Edits<'a> {
    text: &'a str,
    edits: BTreeMap<Key, Edit>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Key {
    start: usize,
    order: Order,
    /// So that the longer one comes first.
    end: Reverse<usize>,
}

/// Of several edits that begin in one place, the outer one is first; a guard may be as long as the
/// expression that it is.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
pub enum Order {
    Front,
    Arm,
    Guard,
    Expression,
}

impl<'a> Edits<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            edits: BTreeMap::new(),
        }
    }

    /// What is written at this place, which `make` makes where there is nothing yet.
    pub fn at(
        &mut self,
        place: Range<usize>,
        order: Order,
        make: impl FnOnce() -> Edit,
    ) -> &mut Edit {
        let key = Key {
            start: place.start,
            order,
            end: Reverse(place.end),
        };
        self.edits.entry(key).or_insert_with(make)
    }

    pub fn render(&self) -> String {
        let all: Vec<_> = self.edits.iter().collect();
        self.part(0..self.text.len(), &all)
    }

    /// The text of a range with the edits in it; `edits` are those that may lie in it.
    fn part(&self, range: Range<usize>, edits: &[(&Key, &Edit)]) -> String {
        let mut whole = String::new();
        let mut at = range.start;
        let mut rest = edits;
        while let [(key, edit), later @ ..] = rest {
            rest = later;
            let end = key.end.0;
            if key.start < at || end > range.end {
                continue;
            }
            whole.push_str(&self.text[at..key.start]);
            whole.push_str(&self.write(key.start..end, edit, later));
            at = end;
        }
        whole.push_str(&self.text[at..range.end]);
        whole
    }

    fn write(&self, range: Range<usize>, edit: &Edit, inner: &[(&Key, &Edit)]) -> String {
        match edit {
            Edit::Return(values) => values
                .iter()
                .map(|(mutant, value)| {
                    // Whose crate has no standard library.
                    let value = value.replace("vec![", "alloc::vec![");
                    let value = value.replace("Box::", "alloc::boxed::Box::");
                    format!("if crate::mutant::is({mutant}) {{ return {value}; }}\n")
                })
                .collect(),
            Edit::Binary {
                left,
                operator,
                right,
                instead,
            } => {
                let left = self.part(left.clone(), inner);
                let right = self.part(right.clone(), inner);
                let mut whole = String::from("(");
                for (mutant, other) in instead {
                    whole.push_str(&format!(
                        "if crate::mutant::is({mutant}) {{ ({left}) {other} ({right}) }} else "
                    ));
                }
                whole.push_str(&format!("{{ ({left}) {operator} ({right}) }})"));
                whole
            }
            Edit::Unary {
                operator,
                operand,
                mutant,
            } => {
                let operand = self.part(operand.clone(), inner);
                format!(
                    "(if crate::mutant::is({mutant}) {{ {operand} }} else {{ {operator}({operand}) }})"
                )
            }
            Edit::Guard(values) => {
                let mut guard = self.part(range, inner);
                for (mutant, value) in values {
                    guard = match value.as_str() {
                        "true" => format!("(crate::mutant::is({mutant}) || ({guard}))"),
                        _ => format!("(!crate::mutant::is({mutant}) && ({guard}))"),
                    };
                }
                guard
            }
            Edit::Arm {
                pattern,
                guard,
                mutant,
            } => {
                let pattern = self.part(pattern.clone(), inner);
                match guard {
                    None => format!("{pattern} if !crate::mutant::is({mutant})"),
                    Some(guard) => {
                        let guard = self.part(guard.clone(), inner);
                        format!("{pattern} if !crate::mutant::is({mutant}) && ({guard})")
                    }
                }
            }
        }
    }
}
