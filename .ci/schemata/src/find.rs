//! Finds in a file what a mutant names by where its operator, guard or arm begins.

use std::collections::BTreeMap;
use std::ops::Range;

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, Expr, ExprBinary, ExprUnary};

use crate::edit::{Edit, Edits, Order};
use crate::{Mutant, Place};

/// The expressions of a file, by where in it what a mutant names begins.
pub struct Finder<'a> {
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    binaries: BTreeMap<usize, (Range<usize>, Range<usize>, Range<usize>)>,
    unaries: BTreeMap<usize, (Range<usize>, Range<usize>)>,
    guards: BTreeMap<usize, Range<usize>>,
    arms: BTreeMap<usize, (Range<usize>, Option<Range<usize>>)>,
}

impl<'a> Finder<'a> {
    pub fn new(text: &'a str) -> Self {
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let mut finder = Self {
            text,
            lines,
            binaries: BTreeMap::new(),
            unaries: BTreeMap::new(),
            guards: BTreeMap::new(),
            arms: BTreeMap::new(),
        };
        let file = syn::parse_file(text).expect("the file compiles");
        finder.visit_file(&file);
        finder
    }

    /// Puts the mutant behind a switch. None if it cannot be.
    pub fn switch(&self, number: usize, mutant: &Mutant, edits: &mut Edits<'_>) -> Option<()> {
        let range = self.offset(mutant.span.start)..self.offset(mutant.span.end);
        let new = (number, mutant.replacement.clone());
        match mutant.genre.as_str() {
            "FnValue" => {
                // Of two values of an opaque type only one could be of it.
                let returned = mutant.function.as_ref().map(|it| &it.return_type);
                if returned.is_some_and(|it| it.contains("impl ")) {
                    return None;
                }
                let place = range.start..range.start;
                if let Edit::Return(values) =
                    edits.at(place, Order::Front, || Edit::Return(Vec::new()))
                {
                    values.push(new);
                }
            }
            "BinaryOperator" => {
                let (whole, left, right) = self.binaries.get(&range.start)?.clone();
                let operator = self.text[range].to_owned();
                let make = || Edit::Binary {
                    left,
                    operator,
                    right,
                    instead: Vec::new(),
                };
                if let Edit::Binary { instead, .. } = edits.at(whole, Order::Expression, make) {
                    instead.push(new);
                }
            }
            "UnaryOperator" => {
                let (whole, operand) = self.unaries.get(&range.start)?.clone();
                let operator = self.text[range].to_owned();
                edits.at(whole, Order::Expression, || Edit::Unary {
                    operator,
                    operand,
                    mutant: number,
                });
            }
            "MatchArmGuard" => {
                let whole = self.guards.get(&range.start)?.clone();
                if let Edit::Guard(values) =
                    edits.at(whole, Order::Guard, || Edit::Guard(Vec::new()))
                {
                    values.push(new);
                }
            }
            "MatchArm" => {
                let (pattern, guard) = self.arms.get(&range.start)?.clone();
                let end = guard.as_ref().map_or(pattern.end, |it| it.end);
                edits.at(pattern.start..end, Order::Arm, || Edit::Arm {
                    pattern,
                    guard,
                    mutant: number,
                });
            }
            _ => return None,
        }
        Some(())
    }

    fn offset(&self, place: Place) -> usize {
        let line = self.lines[place.line - 1];
        let rest = &self.text[line..];
        let column = rest.char_indices().nth(place.column - 1);
        line + column.map_or(rest.len(), |(at, _)| at)
    }

    fn range(&self, of: &impl Spanned) -> Range<usize> {
        let place = |it: LineColumn| {
            self.offset(Place {
                line: it.line,
                column: it.column + 1,
            })
        };
        let span = of.span();
        place(span.start())..place(span.end())
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_expr_binary(&mut self, it: &'ast ExprBinary) {
        // A condition that binds names must stay where it is.
        if !binds(&it.left) && !binds(&it.right) {
            let found = (self.range(it), self.range(&it.left), self.range(&it.right));
            self.binaries.insert(self.range(&it.op).start, found);
        }
        visit::visit_expr_binary(self, it);
    }

    fn visit_expr_unary(&mut self, it: &'ast ExprUnary) {
        let found = (self.range(it), self.range(&it.expr));
        self.unaries.insert(found.0.start, found);
        visit::visit_expr_unary(self, it);
    }

    fn visit_arm(&mut self, it: &'ast Arm) {
        let guard = it.guard.as_ref().map(|(_, guard)| guard);
        if guard.is_none_or(|it| !binds(it)) {
            let guard = guard.map(|it| self.range(&**it));
            if let Some(guard) = &guard {
                self.guards.insert(guard.start, guard.clone());
            }
            let pattern = self.range(&it.pat);
            self.arms.insert(pattern.start, (pattern, guard));
        }
        visit::visit_arm(self, it);
    }
}

/// Whether a condition has a `let` in it.
fn binds(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(it) => binds(&it.left) || binds(&it.right),
        _ => false,
    }
}
