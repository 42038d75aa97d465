//! Cases as text: what is printed of one that failed, and those that are kept.
//!
//! A line is an operation, `set` and a setting, or a comment that begins with `#`. A case that has
//! failed is kept as a file in `core/tests/properties/cases`, and replayed by every run.

use std::fmt::Write;

use crate::case;
use crate::model::Model;
use crate::op::Op;
use crate::shape::Shape;

/// What to say of a case that has failed: its shortest form, what was expected of each step, and
/// where to keep it.
pub fn report(shape: &Shape, ops: Vec<Op>) -> String {
    let (ops, fault) = case::shrink(shape, ops);
    println!("caught: {}", fault.what.replace('\n', " "));
    let mut text = write(shape, &ops);
    for line in fault.what.lines() {
        let _ = writeln!(text, "# {line}");
    }
    format!(
        "{}\n\nAt the last operation of this case; keep it in core/tests/properties/cases/NAME.txt:\n\n{text}",
        fault.what
    )
}

/// A case in words, with what happens and what is expected of the machine.
pub fn write(shape: &Shape, ops: &[Op]) -> String {
    let mut text = shape.to_string();
    let mut model = Model::new(shape.clone());
    for op in ops {
        model.apply(op);
        let _ = writeln!(text, "{op}");
        if let Some(step) = &model.step {
            let _ = writeln!(text, "#   {}: {:?}", step.clock, step.fact);
            for said in &step.said {
                let _ = writeln!(text, "#     {said:?}");
            }
        }
    }
    text
}

/// Reads a case.
///
/// # Errors
///
/// The first line that cannot be read.
pub fn read(text: &str) -> Result<(Shape, Vec<Op>), String> {
    let (mut shape, mut ops) = (Shape::default(), Vec::new());
    let lines = text.lines().map(str::trim);
    for line in lines.filter(|it| !it.is_empty() && !it.starts_with('#')) {
        match line.strip_prefix("set ").map(|it| it.split_once(' ')) {
            Some(setting) => {
                let (name, value) = setting.unwrap_or_default();
                let known = shape.set(name, value);
                known.ok_or_else(|| format!("this is no setting: {line}"))?;
            }
            None => ops.push(line.parse()?),
        }
    }
    Ok((shape, ops))
}
