//! What the tools print, read as they print it.

use std::time::Duration;

use super::*;

const BENCHMARK: &str = "
Summary:
  Total:\t1.9561 secs.
  Slowest:\t0.0215 secs.
  Fastest:\t0.0009 secs.
  Average:\t0.0031 secs.
  Stddev:\t0.0014 secs.
  Requests/sec:\t20448.8217

Latency distribution:
  10% in 0.0018 secs.
  50% in 0.0029 secs.
  99% in 0.0083 secs.
  99.9% in 0.0168 secs.
";

#[test]
fn the_peers_summary_is_read() {
    let side = peer::parse(BENCHMARK).expect("a whole summary");
    assert!((side.per_second - 20_448.821_7).abs() < 1e-6);
    assert!((side.p50_us - 2_900.0).abs() < 1e-6);
    assert!((side.p99_us - 8_300.0).abs() < 1e-6);
}

#[test]
fn a_summary_with_errors_or_without_a_rate_is_no_result() {
    assert!(
        peer::parse(&format!("{BENCHMARK}\nError distribution:\n  [3]\tcontext deadline"))
            .is_none()
    );
    assert!(peer::parse("Latency distribution:\n  50% in 0.1 secs.\n").is_none());
}

#[test]
fn openssl_speed_is_read_and_the_sum_over_processes_wins() {
    let said = "+H:16384\n+F:22:sha256:532676608.00\nGot: +F:0\n+F:22:sha256:1063526400.00\n";
    assert_eq!(machine::parse_speed(said), Some(1_063_526_400.0));
    assert_eq!(machine::parse_speed("Doing sha256"), None);
}

#[test]
fn percentiles_are_values_that_occurred() {
    let flush = machine::percentiles((1..=200).map(Duration::from_micros).collect());
    let wanted = serde_json::json!({"p50": 100.0, "p99": 198.0});
    assert_eq!(serde_json::to_value(&flush).expect("two numbers").to_string(), wanted.to_string());
}

#[test]
fn the_median_run_is_kept_whole() {
    let run = |per_second, p50_us| (Side { per_second, p50_us, ..Side::default() }, None);
    let median =
        ladder::median(vec![run(3.0, 30.0), run(1.0, 10.0), run(2.0, 20.0)]).expect("three runs");
    assert!((median.0.p50_us - 20.0).abs() < f64::EPSILON);
    assert!(ladder::median(Vec::new()).is_none());
}

#[test]
fn unknown_options_are_refused() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert!(wish(&words("--rounds 2 -o json --peer-only")).is_ok());
    for bad in ["--round 2", "--rounds", "--rounds x", "--rounds 0"] {
        assert!(wish(&words(bad)).is_err(), "{bad}");
    }
}
