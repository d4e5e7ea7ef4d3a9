"""The order of rounds, and what a failure or the end of the time does to it."""

import contextlib
import io
import pathlib
import tempfile
import unittest

from plan import Contender, Failed, Round, Row, Section
from record import Record
from schedule import Schedule


class Order(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.record = Record(pathlib.Path(folder.name) / "record")
        self.seen = []

    def run_row(self, contenders, budget_s=60, rounds=3, most_s=60, asked=None):
        self.section = Section("s", "s", "server", "delivery", 1, None, contenders)
        row = Row("row", [self.section])
        self.record.rows = [row]
        with contextlib.redirect_stderr(io.StringIO()):
            Schedule(self.record, {"row": (budget_s, rounds)}, most_s, asked).run([row])

    def contender(self, name, failure=None):
        def measure(_folder):
            self.seen.append(name)
            if failure:
                raise failure
            return Round(1, 1.0, 1.0, 2.0)

        return Contender(name, "peer", measure)

    def test_contenders_follow_each_other_in_every_round(self):
        self.run_row([self.contender("a"), self.contender("b")])
        self.assertEqual(self.seen, ["a", "b"] * 3)

    def test_one_that_fails_twice_is_left_out_and_the_others_go_on(self):
        self.run_row([self.contender("a", Failed("it is broken")), self.contender("b")])
        self.assertEqual(self.seen, ["a", "b", "a", "b", "b"])
        failed = self.section.contenders[0].rounds[0]
        self.assertFalse(failed.valid)
        self.assertIsNone(failed.units)
        self.assertEqual(failed.reasons, ["failed: it is broken"])

    def test_a_row_whose_time_is_over_keeps_the_rounds_it_has(self):
        self.run_row([self.contender("a")], budget_s=0)
        self.assertEqual(self.seen, ["a"])

    def test_fewer_rounds_have_the_time_of_all(self):
        self.run_row([self.contender("a")], budget_s=60, rounds=5, asked=2)
        self.assertEqual(self.seen, ["a"] * 2)

    def test_a_row_for_which_no_time_is_left_is_named_as_missing(self):
        self.run_row([self.contender("a")], most_s=0)
        self.assertEqual(self.seen, [])
        self.assertEqual([missing.name for missing in self.record.missing], ["row"])
