"""The causal running level of many streams, and their views relative to it."""

import triton
import triton.language as tl

_DECIBEL = tl.constexpr(0.23025850929940457)  # ln(10) / 10


@triton.jit(do_not_specialize=["values", "bins", "skipped", "newest", "harmonic_values"])
def running_level(
    spectrogram,  # (B, values) float32: power, frame by frame; normalised in place
    harmonics,  # (B, harmonic_values) float32, the same
    level,  # (B,) float32, dBFS
    constants,  # (7,) float32: rise, fall, fall_limit, headroom, quietest, dynamic_range, unset
    level_out,  # (B,) float32, dBFS
    values,
    bins,  # of a frame of the spectrogram
    skipped,  # of them, the lowest, which do not count
    newest,  # frames, which are the hop
    harmonic_values,
    BLOCK: tl.constexpr,
):
    """A program has one stream: how loud its newest frames are, its new level, and its views.

    The logarithm of a whole hop and what power is multiplied with are in float64, as on the CPU:
    an error there is one of every value. See csrc/front_end/level.hpp.
    """
    stream = tl.program_id(0)
    rise = tl.load(constants)
    fall = tl.load(constants + 1)
    fall_limit = tl.load(constants + 2)
    headroom = tl.load(constants + 3)
    quietest = tl.load(constants + 4)
    dynamic_range = tl.load(constants + 5)
    unset = tl.load(constants + 6)

    own = spectrogram + stream * values
    sums = tl.zeros((BLOCK,), tl.float32)
    for first in range(values - newest * bins, values, BLOCK):
        place = first + tl.arange(0, BLOCK)
        counts = (place < values) & (place % bins >= skipped)
        sums += tl.load(own + place, mask=counts, other=0.0)
    mean = tl.sum(sums).to(tl.float64) / newest
    heard = (tl.log(mean * 1e20 + 1.0) / _DECIBEL - 200.0).to(tl.float32)

    before = tl.load(level + stream)
    difference = tl.maximum(heard - before, -fall_limit)
    moved = before + tl.where(difference > 0, rise, fall) * difference
    moved = tl.maximum(moved, heard - headroom)
    now = tl.maximum(tl.where(before > 0.5 * unset, moved, heard), quietest)
    tl.store(level_out + stream, now)

    gain = tl.exp((dynamic_range - now).to(tl.float64) * _DECIBEL).to(tl.float32)
    scale = 2.0 / (dynamic_range * _DECIBEL)
    top = 1.0 + 20.0 / dynamic_range
    _normalise(own, values, gain, scale, top, BLOCK)
    _normalise(harmonics + stream * harmonic_values, harmonic_values, gain, scale, top, BLOCK)


@triton.jit
def _normalise(power, values, gain, scale, top, BLOCK: tl.constexpr):
    """Power to [-1, top], in place: -1 is the floor, 1 the level."""
    for first in range(0, values, BLOCK):
        place = first + tl.arange(0, BLOCK)
        x = tl.load(power + place, mask=place < values, other=0.0)
        x = tl.minimum(tl.log(x * gain + 1.0) * scale - 1.0, top)
        tl.store(power + place, x, mask=place < values)
