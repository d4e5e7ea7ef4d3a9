"""The table says what was reached, what was missed and what is not known."""

import unittest

import text
from plan import Target
from tests.test_ratios import contender, section


class Text(unittest.TestCase):
    def setUp(self):
        self.section = section("s", contender("feed-server", "ours", [6, 8, 7]), contender("floor", "floor", [5, 5, 5]))

    def lines(self, *targets):
        self.section.targets = list(targets)
        return text.of_section(self.section)

    def test_a_contender_has_its_cost_split_and_its_ratio_to_the_floor(self):
        line = next(line for line in self.lines() if "feed-server" in line)
        self.assertIn("7.00 [6.00, 8.00]", line)
        self.assertIn("2.80 + 4.20", line)
        self.assertIn("1.40 [1.20, 1.60]", line)
        self.assertIn("3/3", line)

    def test_a_target_is_met_or_missed_by_its_median(self):
        met, missed = self.lines(Target("cpu", "feed-server", 1.4, "floor"), Target("cpu", "feed-server", 1.39, "floor"))[-3:-1]
        self.assertTrue(met.endswith("1.40 [1.20, 1.60] met"), met)
        self.assertTrue(missed.endswith("1.40 [1.20, 1.60] MISSED"), missed)

    def test_a_target_against_somebody_who_is_missing_is_not_measured(self):
        line = self.lines(Target("cpu", "feed-server", 1.0, "tcpkali"))[-2]
        self.assertIn("not measured", line)

    def test_memory_that_was_not_measured_is_a_dash(self):
        line = next(line for line in self.lines() if line.startswith("  floor"))
        self.assertIn(" - ", line)
