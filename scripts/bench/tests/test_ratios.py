"""Medians, and ratios that are paired by round."""

import unittest

import ratios
from plan import Contender, Growth, Round, Row, Section, Target


def contender(name, role, costs_us):
    """Rounds of 1,000 units each; None is a round that failed."""
    rounds = [Round(1000, 400 * us, 600 * us, 1000 * us) if us else Round(valid=False) for us in costs_us]
    return Contender(name, role, None, rounds=rounds)


def section(name, *contenders):
    return Section(name, name, "server", "delivery", 10, "ws", list(contenders))


class Ratios(unittest.TestCase):
    def test_a_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_the_medians(self):
        compared = section("s", contender("feed-server", "ours", [6, 20, 9]), contender("floor", "floor", [5, 10, 9]))
        # By round 1.2, 2.0 and 1.0; of the medians it would be 1.0.
        self.assertEqual(ratios.of_target(compared, Target("cpu", "feed-server", 1.12, "floor")), (1.2, 1.0, 2.0))

    def test_a_round_that_failed_on_either_side_is_in_no_ratio(self):
        compared = section("s", contender("feed-server", "ours", [None, 12, 9]), contender("floor", "floor", [5, 10, None]))
        self.assertEqual(ratios.of_target(compared, Target("cpu", "feed-server", 1.12, "floor")), (1.2, 1.2, 1.2))

    def test_an_invalid_round_is_left_out(self):
        ours = contender("feed-server", "ours", [6, 50])
        ours.rounds[1].doubt("loop-lag")
        self.assertEqual(ratios.spread(ratios.values(ours, "cpu")), (6, 6, 6))

    def test_what_was_not_measured_is_missing_and_not_zero(self):
        compared = section("s", contender("feed-server", "ours", [6]))
        self.assertIsNone(ratios.of_target(compared, Target("cpu", "feed-server", 1.0, "tcpkali")))
        self.assertIsNone(ratios.of_target(compared, Target("rss", "feed-server", 2048)))
        self.assertIsNone(ratios.is_met(None, 1.0))

    def test_the_floors_own_growth_is_divided_out_by_round(self):
        few = section("few", contender("feed-server", "ours", [10, 10]), contender("floor", "floor", [5, 5]))
        many = section("many", contender("feed-server", "ours", [15, 12]), contender("floor", "floor", [6, 6]))
        growth = Growth("t", "few", "many", "feed-server", 1.25, "floor")
        middle, low, high = ratios.of_growth(Row("r", [few, many]), growth)
        self.assertAlmostEqual(low, 1.0)
        self.assertAlmostEqual(high, 1.25)
        self.assertAlmostEqual(middle, 1.125)
        self.assertTrue(ratios.is_met((middle, low, high), 1.25))
