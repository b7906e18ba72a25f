#!/usr/bin/env python3
"""Makes a capture of more than 10,000 packets in which everything occurs that flows and packets are defined by: the same
bytes at every run."""

import random
import sys

import capture
import scenes
from capture import Frame

BEGIN_NS = 1_700_000_000 * 10**9
SEED = 5


def frames(seed: int = SEED) -> list[Frame]:
    """All scenes, mixed by their times; those that come late stand where they were seen."""
    chance = random.Random(seed)
    seen = []
    for scene in scenes.SCENES:
        for _ in range(scene.times):
            begin = BEGIN_NS + chance.randrange(200 * 10**9)
            for order, time, frame in scene.make(chance, begin):
                seen.append((order, len(seen), Frame(time, len(frame), frame)))
    seen.sort(key=lambda each: each[:2])
    return [cut(chance, frame) for _, _, frame in seen]


def cut(chance: random.Random, frame: Frame) -> Frame:
    """Now and then a capture has less than the frame."""
    if chance.random() > 0.03 or len(frame.data) <= 15:
        return frame
    return frame._replace(data=frame.data[: chance.randrange(14, len(frame.data))])


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as file:
        capture.write(file, frames())
