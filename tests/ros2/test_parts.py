"""The ROS 2 package's logic, without ROS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import edgeser
from edgeser.microphone import Chunk, Gap

SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"
SECOND = 1_000_000_000
BEGAN = 1_700_000_000 * SECOND


@pytest.fixture(scope="module")
def voices() -> np.ndarray:
    """(n,) int16 at 22050 Hz, followed by silence."""
    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    assert rate == 22_050
    return np.concatenate([samples, np.zeros(2 * rate, np.int16)])


def ears(**values: object):  # type: ignore[no-untyped-def]
    from edgeser_ros.ears import Ears
    from edgeser_ros.health import Health
    from edgeser_ros.settings import Settings

    settings = Settings(**{"sample_rate": 22_050, **values})  # type: ignore[arg-type]
    return Ears(edgeser.load(), settings, Health())


def utterances(told):  # type: ignore[no-untyped-def]
    return [heard for heard in told if isinstance(heard.event, edgeser.Utterance)]


def test_an_odd_byte_waits_for_the_next_message() -> None:
    from edgeser_ros.pcm import PcmReader

    rng = np.random.default_rng(1)
    data = rng.integers(-3000, 3000, (500, 2)).astype("<i2")
    reader = PcmReader("S16LE", 2)
    got, at = [], 0
    raw = data.tobytes()
    for length in [1, 2, 3, 0, 5, 7, 11, *([13] * 200)]:
        got.append(reader.read(raw[at : at + length]))
        at += length
    assert np.array_equal(np.concatenate(got), data)
    assert reader.carried == 0


@pytest.mark.parametrize(
    ("name", "dtype"), [("S16LE", "<i2"), ("S16BE", ">i2"), ("S32LE", "<i4"), ("F32LE", "<f4")]
)
def test_formats_say_the_same(name: str, dtype: str) -> None:
    from edgeser_ros.pcm import PcmReader

    wave = np.array([0.0, 0.5, -0.25, -1.0])
    scale = {"i": 2.0 ** (8 * int(dtype[-1]) - 1), "f": 1.0}[dtype[1]]
    read = PcmReader(name).read((wave * scale).astype(dtype).tobytes())
    unit = 1.0 if read.dtype == np.float32 else 2.0**15
    assert read.dtype in (np.float32, np.int16)
    assert np.array_equal(read[:, 0] / unit, wave)


def test_what_is_no_pcm_has_a_name() -> None:
    from edgeser_ros.pcm import PcmReader, check_info, coding_of

    header = bytes([0xFF, 0xFB, 0x90, 0x00])  # MPEG-1 layer 3, 128 kbit/s, 44.1 kHz: 417 bytes
    mp3 = header + bytes(413) + header
    assert coding_of(mp3) == "MP3"
    assert coding_of(header + bytes(2000)) is None  # may be quiet PCM
    assert coding_of(b"OggS" + bytes(9)) == "Ogg"
    assert coding_of(np.full(800, -1, "<i2").tobytes()) is None
    with pytest.raises(edgeser.AudioError, match="hold MP3, not PCM"):
        PcmReader().check(mp3)
    with pytest.raises(edgeser.AudioError, match="S24LE"):
        PcmReader("S24LE")
    with pytest.raises(edgeser.AudioError, match="'mp3', not PCM"):
        check_info(16_000, 1, "S16LE", "mp3", rate=16_000, like="S16LE/1")
    with pytest.raises(edgeser.AudioError, match="F32LE/2 at 48000 Hz"):
        check_info(48_000, 2, "F32LE", "wave", rate=16_000, like="S16LE/1")
    check_info(16_000, 1, "S16LE", "wave", rate=16_000, like="S16LE/1")


def test_stamps_are_those_of_the_audio(voices: np.ndarray) -> None:
    """Jitter of 5 ms on every stamp; events are where they are in the recording."""
    rng = np.random.default_rng(2)
    ours = edgeser.Utterances(edgeser.load(), 22_050)
    expected = [e for e in ours.process(voices) if isinstance(e, edgeser.Utterance)]
    listener, told = ears(), []
    raw = voices.tobytes()
    for at in range(0, len(raw), 999):  # an odd length
        stamp = BEGAN + round(at / 2 / 22_050 * SECOND + rng.normal(0, 5e6))
        told += listener.hear_bytes(raw[at : at + 999], stamp, exact=True)
    judged = utterances(told)
    assert [heard.event.label for heard in judged] == [event.label for event in expected]
    starts = {h.begin for h in told if isinstance(h.event, edgeser.SpeechStarted)}
    for heard, event in zip(judged, expected, strict=True):
        assert heard.begin == pytest.approx(BEGAN + event.start * SECOND, abs=0.02 * SECOND)
        assert heard.end == pytest.approx(BEGAN + event.end * SECOND, abs=0.02 * SECOND)
        assert heard.begin in starts
    frames = [h for h in told if isinstance(h.event, edgeser.EmotionFrame)]
    assert len(frames) > 100
    assert listener._health.missed == 0


def test_lost_messages_leave_the_rest_in_its_place(voices: np.ndarray) -> None:
    """10 s are lost in the middle of a sample; later audio has correct times and alignment."""
    listener, told = ears(), []
    raw = voices.tobytes()
    for at in range(0, len(raw), 999):
        if not 4 * 44_100 < at < 7 * 44_100:
            stamp = BEGAN + at // 2 * SECOND // 22_050
            told += listener.hear_bytes(raw[at : at + 999], stamp, exact=True)
    assert listener._health.missed == pytest.approx(3.0, abs=0.1)
    last = utterances(told)[-1]
    ours = edgeser.Utterances(edgeser.load(), 22_050)
    whole = [e for e in ours.process(voices) if isinstance(e, edgeser.Utterance)][-1]
    assert last.end == pytest.approx(BEGAN + whole.end * SECOND, abs=0.3 * SECOND)
    assert last.event.timeline[0].level < -3  # not the noise of misaligned bytes


def test_a_bag_that_begins_again_ends_the_stream(voices: np.ndarray) -> None:
    listener = ears()
    half = voices[: 4 * 22_050]  # somebody is speaking
    told = listener.hear(half, BEGAN, exact=True)
    assert not utterances(told)
    again = listener.hear(half, BEGAN, exact=True)
    assert [heard.event.ended for heard in utterances(again)] == ["flush"]
    assert listener._health.restarts == 1
    frames = [h for h in again if isinstance(h.event, edgeser.EmotionFrame)]
    assert min(h.begin for h in frames[-10:]) < BEGAN + 4.1 * SECOND


def test_samples_that_nobody_can_use_are_a_gap_with_a_reason(voices: np.ndarray) -> None:
    listener = ears(sample_format="F32LE")
    bad = np.full(2_205, np.nan, "<f4")
    listener.hear_bytes(bad.tobytes(), BEGAN, exact=True)
    sound = (voices / 2.0**15).astype("<f4")
    told = listener.hear_bytes(sound.tobytes(), BEGAN + SECOND // 10, exact=True)
    assert listener._health.refused == 1
    assert listener._health.missed == pytest.approx(0.1)
    assert listener._health.diagnose()[0] == "error"
    first = utterances(told)[0]
    ours = edgeser.Utterances(edgeser.load(), 22_050)
    expected = next(e for e in ours.process(voices) if isinstance(e, edgeser.Utterance))
    # 0.1 s late, and up to a hop beside: the grid begins elsewhere.
    assert first.begin == pytest.approx(BEGAN + (0.1 + expected.start) * SECOND, abs=0.15 * SECOND)


def test_drift_is_followed_and_lateness_is_no_gap() -> None:
    from edgeser_ros.clock import AudioClock

    clock = AudioClock(16_000)
    for second in range(3600):  # the source's crystal is 100 millionths slow
        assert clock.arrive(round(second * SECOND * 1.0001), exact=True).missed == 0
        clock.count(16_000)
    assert clock.stamp(3600.0) == pytest.approx(3600 * SECOND * 1.0001, abs=0.01 * SECOND)

    late = AudioClock(16_000)
    for arrival in (0.0, 0.1, 0.9, 0.9, 0.9):  # 0.8 s in which nothing was delivered
        step = late.arrive(round(arrival * SECOND), exact=False)
        assert not step.missed
        assert not step.again
        late.count(1_600)
    assert late.arrive(round(9.0 * SECOND), exact=False).missed > 8


def test_a_microphone_is_heard_in_a_thread(voices: np.ndarray) -> None:
    from edgeser_ros.ears import Ears
    from edgeser_ros.health import Health
    from edgeser_ros.recording import Recording
    from edgeser_ros.settings import Settings

    class Microphone:
        sample_rate, lag, closed = 22_050, 0.0, False

        def open(self) -> None:
            pass

        def close(self) -> None:
            self.closed = True

        def __iter__(self):  # type: ignore[no-untyped-def]
            for at in range(0, 7 * 22_050, 2_205):
                yield Chunk(samples=voices[at : at + 2_205], time=at / 22_050)
            yield Gap(time=7.0, samples=22_050, seconds=1.0, cause="overflow")

    told: list[object] = []
    microphone, health = Microphone(), Health()
    Recording(
        microphone,  # type: ignore[arg-type]
        lambda rate: Ears(edgeser.load(), Settings(), health, rate),
        health,
        lambda: BEGAN + round(health.seconds * SECOND) + SECOND // 10,
        told.extend,
    ).close()
    assert microphone.closed
    assert health.missed == pytest.approx(1.0)
    (heard,) = utterances(told)
    assert BEGAN < heard.begin < heard.end < BEGAN + 7 * SECOND


def test_parameters_are_refused_by_name() -> None:
    from edgeser_ros.settings import Settings

    for name, value in {"source": "ears", "detector": "vad", "gap": 0.0, "channels": 0}.items():
        with pytest.raises(edgeser.AudioError, match=f"parameter {name}"):
            Settings(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(edgeser.AudioError, match="hangover"):
        Settings(hangover=0.0)
