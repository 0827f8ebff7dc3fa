"""Power at some frequencies in the frames of many segments: two products and a sum of squares."""

import triton
import triton.language as tl


@triton.jit(
    do_not_specialize=[
        *("count", "segment_values", "start", "hop", "frames", "window", "depth", "bands")
    ]
)
def spectrum(
    segments,  # (B, segment_values) float32
    basis,  # (2, depth, bands') float32: windowed cosines, then sines; zeros where they are padded
    power,  # (B, frames, bands) float32
    count,  # B * frames
    segment_values,
    start,  # samples before the first frame
    hop,  # samples from one frame to the next
    frames,
    window,  # samples of a frame
    depth,  # window, padded to whole BLOCK_DEPTH
    bands,  # padded to whole BLOCK_COLUMNS in the basis
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
    BLOCK_DEPTH: tl.constexpr,
    DOT: tl.constexpr,
):
    """A program has BLOCK_ROWS frames, of one segment or of several, and BLOCK_COLUMNS bands."""
    blocks = tl.cdiv(bands, BLOCK_COLUMNS)
    row = tl.program_id(0) // blocks * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    column = tl.program_id(0) % blocks * BLOCK_COLUMNS + tl.arange(0, BLOCK_COLUMNS)
    sample = tl.arange(0, BLOCK_DEPTH)
    frame = row // frames * segment_values + start + row % frames * hop
    pitch = blocks * BLOCK_COLUMNS
    sines = depth * pitch

    real = tl.zeros((BLOCK_ROWS, BLOCK_COLUMNS), tl.float32)
    imaginary = tl.zeros((BLOCK_ROWS, BLOCK_COLUMNS), tl.float32)
    for first in range(0, depth, BLOCK_DEPTH):
        n = first + sample
        inside = (row < count)[:, None] & (n < window)[None, :]
        x = tl.load(segments + frame[:, None] + n[None, :], mask=inside, other=0.0)
        wave = basis + n[:, None] * pitch + column[None, :]
        real = tl.dot(x, tl.load(wave), real, input_precision=DOT)
        imaginary = tl.dot(x, tl.load(wave + sines), imaginary, input_precision=DOT)

    inside = (row < count)[:, None] & (column < bands)[None, :]
    place = row[:, None] * bands + column[None, :]
    tl.store(power + place, real * real + imaginary * imaginary, mask=inside)
