"""What a process spent between two readings."""

import os
import time
import unittest

import usage
from usage import Usage


class Spent(unittest.TestCase):
    def test_the_sum_is_that_of_the_threads_and_the_split_that_of_the_ticks(self):
        before = Usage(100_000, 100_000, {(1, 1): 200_000_000}, 0)
        after = Usage(110_000, 130_000, {(1, 1): 236_000_000, (1, 2): 4_000_000}, 0)
        user, system = usage.spent(before, after)
        self.assertAlmostEqual(user, 10_000)
        self.assertAlmostEqual(system, 30_000)

    def test_less_than_a_tick_is_split_as_the_whole_life_was(self):
        before = Usage(30_000, 10_000, {(1, 1): 40_000_000}, 0)
        after = Usage(30_000, 10_000, {(1, 1): 44_000_000}, 0)
        self.assertEqual(usage.spent(before, after), (3_000, 1_000))

    def test_a_thread_that_ended_leaves_the_ticks(self):
        before = Usage(10_000, 10_000, {(1, 1): 10_000_000, (1, 2): 10_000_000}, 0)
        after = Usage(40_000, 20_000, {(1, 1): 30_000_000}, 0)
        self.assertEqual(usage.spent(before, after), (30_000, 10_000))

    @unittest.skipUnless(os.path.exists("/proc/self/schedstat"), "this kernel keeps no time of threads")
    def test_a_process_that_works_is_charged_for_it(self):
        before = usage.of_tree(os.getpid())
        began = time.thread_time()
        while time.thread_time() - began < 0.02:
            pass
        self.assertGreaterEqual(sum(usage.spent(before, usage.of_tree(os.getpid()))), 15_000)
