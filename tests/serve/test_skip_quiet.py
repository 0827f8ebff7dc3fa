"""A server with `--skip-quiet`, as its clients see it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

import edgeser
from tests.serve.clients import speech, talk
from tests.serve.conftest import Start


def room() -> npt.NDArray[np.int16]:
    """Eight seconds without speech, then the sample."""
    samples, rate = speech()
    noise = np.random.default_rng(3).normal(0, 20, 8 * rate)
    return np.concatenate([noise.astype(np.int16), samples[: 4 * rate]])


def scores(sound: npt.NDArray[np.int16], rate: int, every_hop: bool) -> list[float]:
    frames: list[edgeser.EmotionFrame] = []
    utterances = edgeser.Utterances(
        edgeser.load(), rate, every_hop=every_hop, on_frame=frames.append
    )
    utterances.process(sound)
    utterances.flush()
    return [frame.speech for frame in frames]


@pytest.mark.parametrize(("options", "every_hop"), [((), True), (("--skip-quiet",), False)])
def test_a_client_hears_what_such_a_stream_hears(
    start: Start, options: tuple[str, ...], every_hop: bool
) -> None:
    sound, rate = room(), speech()[1]
    assert scores(sound, rate, True) != scores(sound, rate, False)
    address, _ = start(*options)
    told = talk(address, sound, f"rate={rate}")
    heard = [event["speech"] for event in told if event["type"] == "frame"]
    assert heard == scores(sound, rate, every_hop)
    assert [event["type"] for event in told].count("utterance") > 0
