//! What changes over time, in columns of a width that doubles when there would be too many: so a
//! trace of any length takes the same memory.

/// The most columns that are kept.
const COLUMNS_MAX: usize = 2_000;

/// About a microsecond.
const SHIFT_MIN: u32 = 10;

/// What is kept of one column.
pub(super) trait Cell: Copy {
    /// This one, and the one behind it.
    fn merged(self, later: Self) -> Self;
}

/// Columns side by side; those in which nothing was said are none.
#[derive(Clone, Debug)]
pub(super) struct Columns<C> {
    start: u64,
    /// A column is 2 to the power of this many nanoseconds wide.
    shift: u32,
    columns: Vec<Option<C>>,
}

impl<C: Cell> Columns<C> {
    /// Of times from `start` on, in nanoseconds since 1970.
    pub(super) fn new(start: u64) -> Self {
        Self {
            start,
            shift: SHIFT_MIN,
            columns: Vec::new(),
        }
    }

    /// Whether this time falls behind the last column that has anything.
    pub(super) fn is_beyond(&self, time: u64) -> bool {
        self.place(time) >= self.columns.len()
    }

    /// Adds to the column that this time falls into. What comes before the start counts as at it.
    pub(super) fn add(&mut self, time: u64, cell: C) {
        while self.place(time) >= COLUMNS_MAX {
            self.halve();
        }
        let place = self.place(time);
        if place >= self.columns.len() {
            self.columns.resize(place + 1, None);
        }
        if let Some(column) = self.columns.get_mut(place) {
            *column = Some(match *column {
                Some(before) => before.merged(cell),
                None => cell,
            });
        }
    }

    /// The same in so many columns of equal width, up to this time.
    pub(super) fn spread(&self, end: u64, count: usize) -> Vec<Option<C>> {
        let span = u128::from(end.saturating_sub(self.start)) + 1;
        let mut spread: Vec<Option<C>> = vec![None; count];
        for (place, column) in self.columns.iter().enumerate() {
            let Some(cell) = *column else { continue };
            let middle = ((place as u128) << self.shift) + (1 << self.shift >> 1);
            let at = (middle * count as u128 / span) as usize;
            if let Some(into) = spread.get_mut(at.min(count.saturating_sub(1))) {
                *into = Some(into.map_or(cell, |before| before.merged(cell)));
            }
        }
        spread
    }

    fn place(&self, time: u64) -> usize {
        (time.saturating_sub(self.start) >> self.shift) as usize
    }

    fn halve(&mut self) {
        self.shift += 1;
        let pairs = self.columns.chunks(2);
        self.columns = pairs
            .map(|pair| match *pair {
                [Some(left), Some(right)] => Some(left.merged(right)),
                [left, right] => left.or(right),
                [left] => left,
                _ => None,
            })
            .collect();
    }
}

/// A level that was seen several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) last: u64,
}

impl Level {
    pub(super) fn of(value: u64) -> Self {
        Self {
            min: value,
            max: value,
            last: value,
        }
    }
}

impl Cell for Level {
    fn merged(self, later: Self) -> Self {
        Self {
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            last: later.last,
        }
    }
}

/// How many of each of several things have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts<const N: usize>(pub(super) [u64; N]);

impl<const N: usize> Cell for Counts<N> {
    fn merged(mut self, later: Self) -> Self {
        for (count, more) in self.0.iter_mut().zip(later.0) {
            *count += more;
        }
        self
    }
}

/// Levels without gaps: where nothing was said, the last one still holds. None before the first.
pub(super) fn carried(levels: Vec<Option<Level>>) -> Vec<Option<Level>> {
    let mut last = None;
    let each = levels.into_iter();
    each.map(|level| {
        // A level holds until the moment at which it is seen to be another.
        let level = match (last, level) {
            (Some(before), Some(now)) => Some(Level::of(before).merged(now)),
            (_, now) => now.or(last.map(Level::of)),
        };
        last = level.map(|it| it.last);
        level
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_double_their_width_and_lose_no_count() {
        let mut columns = Columns::new(1_000);
        let times = (0..40).map(|power| 1_000 + (1_u64 << power));
        times.for_each(|time| columns.add(time, Counts([1, 2])));
        columns.add(0, Counts([1, 0]));
        assert!(columns.columns.len() <= COLUMNS_MAX && columns.columns.len() > COLUMNS_MAX / 2);
        for count in [1, 7, 700, 5_000] {
            let spread = columns.spread(1_000 + (1 << 39), count);
            assert_eq!(spread.len(), count);
            let all = spread.into_iter().flatten();
            assert_eq!(all.reduce(Cell::merged), Some(Counts([41, 80])));
        }
    }

    #[test]
    fn the_end_of_time_is_only_a_column() {
        let mut columns = Columns::new(0);
        columns.add(1, Level::of(1));
        columns.add(u64::MAX, Level::of(9));
        let spread = columns.spread(u64::MAX, 4);
        let expected = [Some(Level::of(1)), None, None, Some(Level::of(9))];
        assert_eq!(spread, expected);
    }

    #[test]
    fn a_level_holds_until_another_is_seen() {
        let seen = vec![None, Some(Level::of(5)), None, Some(Level::of(2)), None];
        let expected = [
            None,
            Some(Level::of(5)),
            Some(Level::of(5)),
            Some(Level {
                min: 2,
                max: 5,
                last: 2,
            }),
            Some(Level::of(2)),
        ];
        assert_eq!(carried(seen), expected);
    }
}
