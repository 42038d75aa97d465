//! Makes a list smaller for as long as it still fails.
//!
//! Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE
//! Transactions on Software Engineering 28, 2002), without the tests of the parts alone: what is left out
//! of a scenario is what counts, a part of it without its beginning rarely means anything.

/// A list out of which no single item can be left without it no longer failing, unless `tries` ran
/// out before; in the order of `items`. `fails` is asked at most `tries` times, and never of `items`
/// itself, which is taken to fail.
///
/// ```
/// let items: Vec<u32> = (0..1_000).collect();
/// let small = peer_sender_sim::shrink(&items, 10_000, |some| some.contains(&7) && some.contains(&900));
/// assert_eq!(small, [7, 900]);
/// ```
pub fn shrink<T: Clone>(
    items: &[T],
    mut tries: u64,
    mut fails: impl FnMut(&[T]) -> bool,
) -> Vec<T> {
    let mut left = items.to_vec();
    let mut size = left.len().div_ceil(2);
    while size > 0 && tries > 0 {
        let mut shrunk = false;
        // From the end, since what comes after a fault has nothing to do with it.
        let mut end = left.len();
        while end > 0 && tries > 0 {
            let start = end.saturating_sub(size);
            let mut without = left.clone();
            without.drain(start..end);
            tries -= 1;
            if fails(&without) {
                left = without;
                shrunk = true;
            }
            end = start;
        }
        // What could go before another went may go after it.
        if !shrunk || size > 1 {
            size = match size {
                1 => 0,
                size => size.div_ceil(2),
            };
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_by_itself_shrinks_to_nothing() {
        assert_eq!(shrink(&[1, 2, 3], 100, |_| true), Vec::<i32>::new());
        assert_eq!(shrink::<u8>(&[], 100, |_| true), Vec::<u8>::new());
    }

    #[test]
    fn what_fails_only_whole_stays_whole() {
        let items: Vec<_> = (0..37).collect();
        assert_eq!(shrink(&items, 10_000, |some| some.len() == 37), items);
    }

    #[test]
    fn items_that_need_each_other_are_kept_together_and_in_order() {
        let items: Vec<_> = (0..500).collect();
        let needs = |some: &[i32]| {
            let place = |it| some.iter().position(|one| *one == it);
            let three = [place(499), place(250), place(3)];
            // 250 is of no use without 249.
            three.iter().all(Option::is_some) && place(249).is_some()
        };
        assert_eq!(shrink(&items, 10_000, needs), [3, 249, 250, 499]);
    }

    #[test]
    fn what_can_go_only_after_another_went_goes_too() {
        // An even number may go only once no odd one above it is left.
        let items: Vec<_> = (0..20).collect();
        let fails = |some: &[i32]| {
            let odds_stand_on_evens = |odd: &i32| odd % 2 == 0 || some.contains(&(odd - 1));
            some.iter().all(odds_stand_on_evens)
        };
        assert_eq!(shrink(&items, 10_000, fails), Vec::<i32>::new());
    }

    #[test]
    fn it_asks_no_oftener_than_it_may() {
        let items: Vec<_> = (0..1_000).collect();
        let mut asked = 0;
        shrink(&items, 17, |_| {
            asked += 1;
            false
        });
        assert_eq!(asked, 17);
    }
}
