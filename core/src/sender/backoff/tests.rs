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
