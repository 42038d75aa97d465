//! The sequence of waits.

use super::*;

fn config() -> Config {
    Config::new("192.0.2.1:1".parse().unwrap()).unwrap()
}

fn fail(backoff: &mut Backoff, class: ErrorClass) -> Duration {
    fail_with(backoff, class, 1, &config())
}

fn fail_with(backoff: &mut Backoff, class: ErrorClass, places: usize, config: &Config) -> Duration {
    backoff.fail(Time::ZERO, class, places, config, &[7; 32])
}

#[test]
fn waits_follow_fibonacci_from_100_ms_to_an_hour() {
    let mut backoff = Backoff::default();
    let waits: alloc::vec::Vec<_> = (0..30)
        .map(|_| fail(&mut backoff, ErrorClass::Transient).as_millis())
        .collect();
    assert_eq!(
        waits[..9],
        [100, 100, 200, 300, 500, 800, 1_300, 2_100, 3_400]
    );
    assert_eq!(waits[22], 2_865_700);
    assert_eq!(waits[23..], [3_600_000; 7]);
}

#[test]
fn permanent_errors_wait_longer_and_are_counted_apart() {
    let mut backoff = Backoff::default();
    for _ in 0..10 {
        fail(&mut backoff, ErrorClass::Transient);
    }
    assert_eq!(
        fail(&mut backoff, ErrorClass::Permanent),
        Duration::from_secs(5)
    );
    assert_eq!(
        fail(&mut backoff, ErrorClass::Permanent),
        Duration::from_secs(5)
    );
    assert_eq!(
        fail(&mut backoff, ErrorClass::Permanent),
        Duration::from_secs(10)
    );
    assert_eq!(backoff.failures(), 13);
    backoff.reset();
    assert_eq!(
        fail(&mut backoff, ErrorClass::Transient),
        Duration::from_millis(100)
    );
}

#[test]
fn endless_failures_neither_overflow_nor_shorten_the_wait() {
    let mut backoff = Backoff {
        transient: u32::MAX - 1,
        ..Backoff::default()
    };
    for _ in 0..3 {
        assert_eq!(
            fail(&mut backoff, ErrorClass::Transient),
            Duration::from_secs(3_600)
        );
    }
    assert_eq!(
        (fibonacci(47), fibonacci(48)),
        (2_971_215_073, 2_971_215_073)
    );
}

#[test]
fn a_refusal_at_one_of_several_addresses_does_not_slow_down_the_others() {
    let mut backoff = Backoff::default();
    let permanent = ErrorClass::Permanent;
    let waits: alloc::vec::Vec<_> = (0..6)
        .map(|_| fail_with(&mut backoff, permanent, 3, &config()).as_millis())
        .collect();
    assert_eq!(waits, [100, 100, 5_000, 200, 300, 5_000]);
    fail_with(&mut backoff, permanent, 3, &config());
    fail_with(&mut backoff, ErrorClass::Transient, 3, &config());
    let third = fail_with(&mut backoff, permanent, 3, &config());
    assert!(
        third < Duration::from_secs(5),
        "the third place has not refused"
    );
}

#[test]
fn jitter_spreads_each_wait_within_its_bounds_and_repeats_by_seed() {
    let config = Config::builder("192.0.2.1:1".parse().unwrap())
        .wan()
        .build()
        .unwrap();
    let waits = |seed: u8| -> alloc::vec::Vec<Duration> {
        let mut backoff = Backoff::default();
        let transient = ErrorClass::Transient;
        (0..40)
            .map(|_| backoff.fail(Time::ZERO, transient, 1, &config, &[seed; 32]))
            .collect()
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
    let (min, max) = (Duration::from_millis(100), Duration::from_secs(30));
    for seed in 0..100 {
        for (n, wait) in (1..).zip(waits(seed)) {
            assert!((min..=max).contains(&wait), "{wait:?}");
            let plain = min.saturating_mul(fibonacci(n)).min(max);
            assert!(
                wait >= plain / 2 && wait <= plain * 3 / 2,
                "{wait:?} of {plain:?}"
            );
        }
    }
    let at_most = |bound| (0..100).filter(|&seed| waits(seed)[39] < bound).count();
    assert!(
        (20..80).contains(&at_most(Duration::from_millis(24_000))),
        "spread at the longest too"
    );
}

#[test]
fn a_wait_is_spread_from_three_quarters_to_one_and_a_half_and_folded_back_at_its_bounds() {
    let ms = Duration::from_millis;
    let within = |wait, random| spread(ms(wait), ms(100), ms(1_000), random);
    let (half, whole) = (u32::MAX / 3, u32::MAX);
    assert_eq!(
        [0, half, whole].map(|it| within(400, it)),
        [300, 400, 600].map(ms)
    );
    // Above the longest, and below the shortest, by as much as it is inside now.
    assert_eq!(
        [0, half, whole].map(|it| within(1_000, it)),
        [750, 1_000, 500].map(ms)
    );
    assert_eq!(
        [0, half, whole].map(|it| within(100, it)),
        [125, 100, 150].map(ms)
    );
    // Where there is no room between them, neither way.
    let none = |random| spread(ms(100), ms(100), ms(110), random);
    assert_eq!([0, whole].map(none), [110, 100].map(ms));
}

#[test]
fn a_seed_gives_the_same_waits_on_every_machine() {
    let ascending = core::array::from_fn(|place| place as u8);
    let drawn = [draw(&[7; 32], 1), draw(&[7; 32], 2), draw(&ascending, 1)];
    assert_eq!(drawn, [3_753_853_181, 23_470_313, 3_705_981_172]);
}

#[test]
fn failures_as_long_ago_compare_as_equal_whenever_that_is() {
    let builder = Config::builder("192.0.2.1:1".parse().unwrap());
    let config = builder.give_up_after(Some(Duration::from_secs(60)));
    let config = config.build().unwrap();
    let relative = |since, now| {
        let mut backoff = Backoff::default();
        let (since, now) = (Time::from_secs(since), Time::from_secs(now));
        backoff.fail(since, ErrorClass::Transient, 1, &config, &[7; 32]);
        backoff.make_relative(now, &config);
        backoff
    };
    assert_eq!(relative(1, 11), relative(100, 110));
    assert_ne!(relative(1, 11), relative(1, 12));
    assert_eq!(relative(1, 61), relative(1, 99), "given up in any case");
}
