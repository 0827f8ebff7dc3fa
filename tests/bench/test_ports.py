"""The loops of bench/ports.py are found and counted, and do not spill registers."""

from __future__ import annotations

import pytest

from bench.ports import TARGETS, compile_loops, compiler_of, find_loop

LOOPS = """
float32_rows:
.L1:
\tvbroadcastss\t(%rax), %ymm0
.L2:
\tvfmadd231ps\t(%rbx), %ymm0, %ymm1
\tvmovaps\t%ymm1, 8(%rsp)
\tvfmadd231ps\t32(%rbx), %ymm0, %ymm2
\tjne\t.L2
\tvaddps\t%ymm1, %ymm2, %ymm3
\tjne\t.L1
.L3:
\tvfmadd231ps\t(%rbx), %ymm0, %ymm1
\tjb\t.L3
\t.size\tfloat32_rows, .-float32_rows
"""
AVX2 = next(target for target in TARGETS if target.level == "avx2")


def test_the_innermost_loop_with_most_products_counts() -> None:
    loop = find_loop(LOOPS, "float32_rows", AVX2)
    assert len(loop.lines) == 4
    assert loop.multiply_adds == 2 * 8
    assert loop.spills == 1


@pytest.mark.parametrize("level", ["avx2", "avx_vnni", "avx512", "avx512_vnni"])
def test_sums_stay_in_registers(level: str) -> None:
    target = next(target for target in TARGETS if target.level == level)
    compiler = compiler_of(target)
    if compiler is None:
        pytest.skip(f"no g++ for {target.machine}")
    assembly = compile_loops(compiler, target)
    for function in ("float32_rows", "bfloat16_rows"):
        loop = find_loop(assembly, function, target)
        assert loop.multiply_adds == (96 if target.lanes == 8 else 384)
        assert loop.spills == 0, function
