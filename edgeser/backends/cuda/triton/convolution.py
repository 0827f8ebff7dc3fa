"""A convolution of many maps, channels last, as a product of patches and weights.

Sizes are arguments, so that one compiled kernel has the layers of any network; a linear layer is
the convolution of a map of one place.
"""

import triton
import triton.language as tl


@triton.jit(
    do_not_specialize=[
        *("count", "map_values", "height", "width", "channels", "result_values", "positions"),
        *("across", "stride_down", "stride_across", "padding_down", "padding_across", "depth"),
        *("outputs", "relu"),
    ],
    do_not_specialize_on_alignment=["maps", "results"],
)
def convolution(
    maps,  # (B, height, width, channels) float32, map_values from one to the next
    matrices,  # (depth, outputs'): a row for each tap; zeros where they are padded
    bias,  # (outputs') float32
    taps,  # (2, depth) int32: values from a patch's first, then 65536 * rows + columns from it
    results,  # (B, positions, outputs) float32, result_values from one map to the next
    count,  # B * positions
    map_values,
    height,
    width,
    channels,
    result_values,
    positions,  # of a result
    across,  # of them, in a row
    stride_down,
    stride_across,
    padding_down,
    padding_across,
    depth,  # taps, padded to whole BLOCK_DEPTH: taps that are padding lie outside of every map
    outputs,  # padded to whole BLOCK_COLUMNS in the weights
    relu,  # 1 or 0
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
    BLOCK_DEPTH: tl.constexpr,
    DOT: tl.constexpr,
):
    """A program has BLOCK_ROWS positions, of one map or of several, and BLOCK_COLUMNS outputs.

    What lies outside of a map is zero. Patches are rounded to the precision of the weights, sums
    and results are float32.
    """
    blocks = tl.cdiv(outputs, BLOCK_COLUMNS)
    row = tl.program_id(0) // blocks * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    column = tl.program_id(0) % blocks * BLOCK_COLUMNS + tl.arange(0, BLOCK_COLUMNS)
    pitch = blocks * BLOCK_COLUMNS
    one = row // positions
    position = row % positions
    y = tl.where(row < count, position // across * stride_down - padding_down, height)[:, None]
    x = (position % across * stride_across - padding_across)[:, None]
    patch = maps + one[:, None] * map_values + (y * width + x) * channels

    total = tl.zeros((BLOCK_ROWS, BLOCK_COLUMNS), tl.float32)
    for first in range(0, depth, BLOCK_DEPTH):
        tap = first + tl.arange(0, BLOCK_DEPTH)
        offset = tl.load(taps + tap)[None, :]
        away = tl.load(taps + depth + tap)[None, :]
        down, right = y + (away >> 16), x + (away & 0xFFFF)
        inside = (down >= 0) & (down < height) & (right >= 0) & (right < width)
        values = tl.load(patch + offset, mask=inside, other=0.0)
        weights = tl.load(matrices + tap[:, None] * pitch + column[None, :])
        total = tl.dot(values.to(weights.dtype), weights, total, input_precision=DOT)

    total += tl.load(bias + column)[None, :]
    total = tl.maximum(total, tl.where(relu > 0, 0.0, float("-inf")))
    inside = (row < count)[:, None] & (column < outputs)[None, :]
    place = one[:, None] * result_values + position[:, None] * outputs + column[None, :]
    tl.store(results + place, total, mask=inside)
