#!/usr/bin/env python3
"""Compares flow records of Plumb with those of the reference: integers and texts exactly, derived numbers to 1e-9."""

import argparse
import json
import math
import sys

HOOKS = {"interface", "ifindex", "hooks", "sampling"}  # not of a capture


def read(path: str) -> dict:
    """Flow records by what names a flow and its segment."""
    with open(path, encoding="utf-8") as lines:
        records = [record for record in map(json.loads, lines) if record["record"] == "flow"]
    named = {record["flow_id"]: record for record in records}
    if len(named) != len(records):
        raise ValueError(f"{path}: a flow occurs twice")
    return named


def same(ours: object, expected: object) -> bool:
    if isinstance(ours, bool) or isinstance(expected, bool):
        return ours is expected
    if isinstance(expected, float) and isinstance(ours, (int, float)):
        return math.isclose(ours, expected, rel_tol=1e-9, abs_tol=1e-9)
    return ours == expected


def differences(ours: dict, expected: dict) -> list[str]:
    """What differs, one line for each value."""
    found = [f"flow {name}: {'only in the reference' if name in expected else 'not in the reference'}: {(ours | expected)[name]}"
             for name in sorted(ours.keys() ^ expected.keys())]
    for name in ours.keys() & expected.keys():
        for column in (ours[name].keys() | expected[name].keys()) - HOOKS:
            values = [record.get(column, "no such column") for record in (ours[name], expected[name])]
            if not same(*values):
                found.append(f"flow {name}: {column} is {values[0]!r}, not {values[1]!r}")
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("ours", help="JSON lines of plumb flows")
    asked.add_argument("reference", help="JSON lines of reference.py")
    given = asked.parse_args()
    ours, expected = read(given.ours), read(given.reference)
    found = differences(ours, expected)
    print(*found[:100], f"{len(expected)} flows, {len(found)} differences", sep="\n")
    sys.exit(bool(found) or not expected)


if __name__ == "__main__":
    main()
