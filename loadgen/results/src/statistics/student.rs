//! Quantiles of Student's t distribution, from the usual tables.

use super::Level;

/// Two-sided 95 %, for 1, 2, 3 ... degrees of freedom.
const T_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/// Two-sided 99 %.
const T_99: [f64; 30] = [
    63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169, 3.106, 3.055, 3.012, 2.977, 2.947, 2.921,
    2.898, 2.878, 2.861, 2.845, 2.831, 2.819, 2.807, 2.797, 2.787, 2.779, 2.771, 2.763, 2.756, 2.750,
];

/// How many standard errors an interval reaches to each side; `None` without a degree of freedom.
///
/// Beyond thirty degrees the value for thirty is used, which is at most 7 % too wide.
pub(super) fn t_quantile(level: Level, degrees: usize) -> Option<f64> {
    let table = match level {
        Level::One => &T_95,
        Level::OneOfFive => &T_99,
    };
    Some(table[degrees.checked_sub(1)?.min(table.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_fall_with_the_degrees_of_freedom_and_rise_with_the_level() {
        assert!(T_95.is_sorted_by(|a, b| a > b) && T_99.is_sorted_by(|a, b| a > b));
        assert!(T_95.iter().zip(&T_99).all(|(one, five)| one < five));
        assert_eq!(t_quantile(Level::One, 0), None);
        assert_eq!(t_quantile(Level::One, 1_000), Some(2.042));
    }
}
