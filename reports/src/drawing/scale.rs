//! Scales map values to places between 0 and 1, and know where their ticks belong.

/// From here on a logarithmic axis marks powers of ten alone.
const MANY_DECADES: f64 = 3.5;

/// A mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Value that it marks.
    pub at: f64,
    /// What it says.
    pub label: String,
}

/// How values become places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// Equal steps for equal differences.
    Linear {
        /// Value at place 0.
        low: f64,
        /// Value at place 1.
        high: f64,
    },
    /// Equal steps for equal ratios.
    Log {
        /// Value at place 0.
        low: f64,
        /// Value at place 1.
        high: f64,
    },
}

impl Scale {
    /// A linear scale from 0 to a little above `high`, so that the top tick is a round one.
    pub fn from_zero(high: f64) -> Self {
        let high = if high > 0.0 { high } else { 1.0 };
        let step = round_step(high, 5);
        Self::Linear { low: 0.0, high: (high / step - 1e-9).ceil() * step }
    }

    /// A logarithmic scale around the positive values, ending on 1, 2 or 5 times a power of ten.
    pub fn log_around(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0) {
            low = low.min(value);
            high = high.max(value);
        }
        if high == 0.0 {
            return Self::Log { low: 1.0, high: 10.0 };
        }
        let low = one_two_five(low * 0.999).filter(|tick| *tick <= low).last().unwrap_or(low);
        // Across many decades only these are marked, so the axis starts on one.
        let low = if (high / low).log10() > MANY_DECADES { 10_f64.powf(low.log10().floor()) } else { low };
        let high = one_two_five(low).find(|tick| *tick >= high && *tick > low * 1.5).unwrap_or(high);
        Self::Log { low, high }
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end.
    pub fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Log { low, high } => (value.max(low) / low).ln() / (high / low).ln(),
        }
    }

    /// Round values across the scale, labelled by `text`.
    pub fn ticks(self, text: impl Fn(f64) -> String) -> Vec<Tick> {
        let values: Vec<f64> = match self {
            Self::Linear { low, high } => {
                let step = round_step(high - low, 6);
                let first = (low / step).ceil() as i64;
                (first..).map(|i| i as f64 * step).take_while(|v| *v <= high + step * 1e-6).collect()
            }
            Self::Log { low, high } => {
                let inside = |tick: &f64| *tick >= low * 0.999 && *tick <= high * 1.001;
                let all: Vec<f64> = one_two_five(low).skip_while(|t| !inside(t)).take_while(inside).collect();
                let is_decade = |tick: &f64| (tick.log10() - tick.log10().round()).abs() < 1e-6;
                if (high / low).log10() > MANY_DECADES { all.into_iter().filter(is_decade).collect() } else { all }
            }
        };
        values.into_iter().map(|at| Tick { at, label: text(at) }).collect()
    }
}

/// 1, 2, 5, 10, 20 ... from the decade of `from` on.
fn one_two_five(from: f64) -> impl Iterator<Item = f64> {
    let decade = from.log10().floor() as i32;
    (decade..decade + 20).flat_map(|d| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(d)))
}

/// A step of 1, 2 or 5 times a power of ten that cuts `span` into at most `pieces`.
fn round_step(span: f64, pieces: usize) -> f64 {
    let least = span / pieces as f64;
    one_two_five(least).find(|step| *step >= least * 0.999_999).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks(|v| format!("{v}")).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn a_log_scale_ends_on_round_values_outside_of_the_data() {
        let scale = Scale::log_around([0.0, 340.0, 2_300.0].into_iter());
        assert_eq!(scale, Scale::Log { low: 200.0, high: 5_000.0 });
        assert_eq!(labels(scale), ["200", "500", "1000", "2000", "5000"]);
    }

    #[test]
    fn many_decades_are_marked_by_powers_of_ten_alone() {
        assert_eq!(labels(Scale::Log { low: 500.0, high: 5e6 }), ["1000", "10000", "100000", "1000000"]);
    }

    #[test]
    fn a_scale_of_many_decades_starts_on_one() {
        let scale = Scale::log_around([230.0, 1.01e6].into_iter());
        assert_eq!(labels(scale), ["100", "1000", "10000", "100000", "1000000"]);
    }

    #[test]
    fn a_linear_scale_starts_at_zero_and_ends_on_a_tick() {
        let scale = Scale::from_zero(31.0);
        assert_eq!(labels(scale), ["0", "10", "20", "30", "40"]);
        assert_eq!(scale.place(20.0), 0.5);
    }

    #[test]
    fn nothing_to_show_still_makes_a_scale() {
        assert_eq!(Scale::log_around(std::iter::empty()).place(1.0), 0.0);
        assert_eq!(Scale::from_zero(0.0).place(0.0), 0.0);
    }
}
