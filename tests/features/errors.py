#!/usr/bin/env python3
"""Makes a capture of the packets of every test in test_reference.py, each test's long after the one before: what the tests hold
the reference to, the program is compared with the reference on."""

import sys
import unittest

import capture
import test_reference
from capture import Frame

# Longer than any timeout, so that no flow of one case goes on in the next.
APART_NS = 10_000 * 10**9
FIRST_NS = 10**18
SECOND_NS = 10**9


def cases() -> list[list]:
    """The packets that each flow of each test is made of, with the default timeouts."""
    found, records = [], test_reference.records

    def remember(*packets, **given):
        if not given and all(packet.frame for packet in packets):
            found.append(packets)
        return records(*packets, **given)

    test_reference.records = remember
    suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase,
                                   (test_reference.Errors, test_reference.Definitions)))
    failed = not suite.run(unittest.TestResult()).wasSuccessful()
    test_reference.records = records
    if failed:
        raise RuntimeError("the reference fails its own tests")
    return found


def frames() -> list[Frame]:
    """All cases, one after the other: frames that come hours late are of flows that are written already."""
    found = []
    for number, packets in enumerate(cases()):
        begun = min(packet.time_ns for packet in packets) // SECOND_NS * SECOND_NS
        found += [Frame(FIRST_NS + number * APART_NS + packet.time_ns - begun, len(packet.frame), packet.frame)
                  for packet in packets]
    return found


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as file:
        capture.write(file, frames())
