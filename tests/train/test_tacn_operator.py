"""TACN through Triton: on a GPU where there is one, else interpreted on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("triton")

from edgeser.backends.cuda.shapes import TacnShape
from edgeser.backends.cuda.triton import host
from edgeser.reference import kernels as reference
from edgeser.reference.random_weights import tacn_weights
from tests.kernels.tester import random_tokens, tacn_tensors
from train.models import tacn_operator
from train.models.tacn import TACN, TACNConfig, TACNLayer
from train.models.tacn_operator import attend_and_convolve, attend_and_convolve_backward

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# batch, time, width, heads, taps, dilation
SIZES = {
    "default": (3, 33, 64, 8, 3, 4),
    "odd": (2, 17, 21, 3, 3, 5),
    "two taps": (2, 9, 15, 5, 2, 3),
    "one tap": (2, 3, 4, 2, 1, 1),
    "one token": (1, 1, 16, 4, 3, 1),
    "shorter than the reach": (5, 7, 8, 1, 4, 3),
}


def made(name: str, dropout: float = 0.0) -> tuple[TACNLayer, Tensor]:
    """A layer, and tokens for it, in float64."""
    batch, time, width, heads, taps, dilation = SIZES[name]
    generator = torch.manual_seed(0)
    layer = TACNLayer(width, heads, taps, dilation, dropout).double()
    torch.nn.init.normal_(layer.bias, std=0.3)
    x = torch.randn(batch, time, width, dtype=torch.float64, generator=generator)
    return layer.to(DEVICE), x.to(DEVICE)


def differentiated(layer: TACNLayer, x: Tensor, by_operator: bool) -> list[Tensor]:
    """A layer's outputs, and the gradients by tokens and all parameters."""
    x = x.detach().requires_grad_()
    generator = torch.Generator().manual_seed(1)
    wanted = torch.randn(x.shape, dtype=torch.float64, generator=generator).to(x)
    layer.by_operator = False
    y = layer.forward_by_operator(x) if by_operator else layer(x)
    return [y, *torch.autograd.grad(y, (x, *layer.parameters()), wanted.to(y.dtype))]


def errors(got: list[Tensor], oracle: list[Tensor]) -> list[float]:
    """Of each, relative, in the mean."""
    return [((g - o).norm() / o.norm()).item() for g, o in zip(got, oracle, strict=True)]


@pytest.mark.parametrize("name", SIZES)
def test_it_is_the_plain_layer_forward_and_backward(name: str) -> None:
    layer, x = made(name)
    for got, want in zip(*(differentiated(layer, x, o) for o in (True, False)), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["default", "odd", "two taps"])
def test_it_errs_at_most_twice_as_much_as_plain_pytorch(name: str, precision: str) -> None:
    layer, x = made(name)
    oracle = differentiated(layer, x, False)
    layer, x, dtype = layer.float(), x.float(), getattr(torch, precision)
    with torch.autocast(DEVICE.type, dtype, enabled=dtype is not torch.float32):
        ours, plain = (differentiated(layer, x, operator) for operator in (True, False))
    assert [t.dtype for t in ours] == [t.dtype for t in plain]
    floor = 4 * torch.finfo(dtype).eps
    for error, allowed in zip(errors(ours, oracle), errors(plain, oracle), strict=True):
        assert error <= 2 * allowed + floor
        assert error > 0


@pytest.mark.parametrize("name", ["odd", "two taps", "one token"])
def test_its_gradients_are_those_of_differences(name: str) -> None:
    _, time, width, heads, taps, dilation = SIZES[name]
    generator = torch.Generator().manual_seed(2)
    shapes = (2, min(time, 5), 3, width), (taps, width, width), (width,)
    inputs = [
        torch.randn(shape, dtype=torch.float64, generator=generator).to(DEVICE).requires_grad_()
        for shape in shapes
    ]
    assert torch.autograd.gradcheck(
        attend_and_convolve, (*inputs, heads, min(dilation, 2)), fast_mode=True
    )


def test_every_single_gradient_is_that_of_a_difference() -> None:
    generator = torch.Generator().manual_seed(3)
    inputs = [
        torch.randn(shape, dtype=torch.float64, generator=generator).to(DEVICE).requires_grad_()
        for shape in ((1, 4, 3, 2), (2, 2, 2), (2,))
    ]
    assert torch.autograd.gradcheck(attend_and_convolve, (*inputs, 1, 2))


@pytest.mark.filterwarnings("ignore")  # opcheck's own use of what torch has deprecated
def test_it_keeps_the_contract_of_operators() -> None:
    generator = torch.Generator().manual_seed(4)
    projected, filters, bias = (
        torch.randn(shape, generator=generator).to(DEVICE).requires_grad_()
        for shape in ((2, 3, 3, 6), (2, 6, 6), (6,))
    )
    torch.library.opcheck(attend_and_convolve, (projected, filters, bias, 2, 1))
    result = attend_and_convolve(projected, filters, bias, 2, 1).detach()
    saved = (torch.ones_like(result), projected.detach(), filters.detach(), result)
    torch.library.opcheck(attend_and_convolve_backward, (*saved, 2, 1))


def test_it_compiles_into_one_graph() -> None:
    layer, x = made("two taps")
    want = differentiated(layer, x, False)
    layer.forward_by_operator = torch.compile(  # type: ignore[method-assign]
        layer.forward_by_operator, backend="aot_eager", fullgraph=True
    )
    for got, wanted in zip(differentiated(layer, x, True), want, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-10)


def test_the_choice_compiles_too() -> None:
    layer, x = made("odd")
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x))


def test_no_sequences_are_no_error() -> None:
    layer, x = made("odd")
    results = differentiated(layer, x[:0], True)
    assert results[0].shape == x[:0].shape
    assert all((gradient == 0).all() for gradient in results[1:])


def test_every_run_gives_the_same_bits() -> None:
    layer, x = made("odd")
    first, second = (differentiated(layer, x, True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_dropout_is_that_of_the_layer() -> None:
    layer, x = made("default", dropout=0.5)
    kept = layer.forward_by_operator(x) - x
    assert 0.4 < (kept == 0).double().mean() < 0.9  # ReLU's zeros besides
    layer.eval()
    torch.testing.assert_close(layer.forward_by_operator(x), layer(x))


def test_a_network_equals_the_reference_and_the_step_kernel() -> None:
    weights = tacn_weights(24, 3, 3, (1, 2, 4))
    network = TACN(TACNConfig(width=24, layers=3, taps=3, heads=3)).to(DEVICE)
    with torch.no_grad():
        for n, layer in enumerate(network.layers):
            assert isinstance(layer, TACNLayer)
            parts = [getattr(weights, p)[n] for p in ("query", "key", "value")]
            layer.qkv.copy_(torch.from_numpy(np.stack(parts)))
            layer.output.copy_(torch.from_numpy(weights.output[n]))
            layer.filters.copy_(torch.from_numpy(weights.taps[n]))
            layer.bias.copy_(torch.from_numpy(weights.bias[n]))
        tokens = random_tokens(2, 12, 24)
        x = torch.from_numpy(tokens).to(DEVICE)
        for layer in network.layers:
            x = layer.forward_by_operator(x)  # type: ignore[operator]
    head, bias = (torch.from_numpy(w).to(x) for w in (weights.head_weight, weights.head_bias))
    got = (x @ head + bias).cpu().numpy()
    for row, sequence in zip(got, tokens, strict=True):
        oracle = reference.tacn_offline(weights, sequence.astype(np.float64))
        np.testing.assert_allclose(row, oracle, atol=1e-4)
    step = host.TacnStep(TacnShape(24, 3, 3, (1, 2, 4), 5), tacn_tensors(weights), device=DEVICE)
    arena, rows = step.arena(2), torch.tensor([0, 1], dtype=torch.int32, device=DEVICE)
    steps = [
        step(t.contiguous(), arena, rows) for t in torch.from_numpy(tokens).to(DEVICE).unbind(1)
    ]
    np.testing.assert_allclose(got, torch.stack(steps, 1).cpu().numpy(), atol=1e-4)


def test_it_serves_where_triton_runs_unless_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not tacn_operator.serves(torch.device("cpu"), 64)
    assert not tacn_operator.serves(torch.device("cuda"), 512)
    network, x = TACN(TACNConfig(width=12, layers=2, heads=3)), torch.randn(1, 3, 12)
    served: list[int] = []

    def counted(layer: TACNLayer, x: Tensor) -> Tensor:
        served.append(layer.dilation)
        return x

    monkeypatch.setattr(TACNLayer, "forward_by_operator", counted)
    network(x)
    assert served == []  # on the CPU
    monkeypatch.setattr(tacn_operator, "serves", lambda *_: True)
    network(x)
    assert served == [1, 2]
    network.use_operator(False)
    network(x)
    assert served == [1, 2]


# In a process of its own: Triton decides once whether it compiles or interprets.
_PROGRAM = """
import json, torch, triton, triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from train.models import tacn_operator as op
names = {torch.float16: "*fp16", torch.bfloat16: "*bf16", torch.float32: "*fp32"}
own = {"bias": "*fp32", "result": "*fp32", "rows": "i32", "time": "i32", "dilation": "i32"}
filters = torch.empty(3, 64, 64)
for target, dtype in ((80, torch.float32), (90, torch.bfloat16), (120, torch.float16)):
    tensors = filters, 8, torch.empty(1, 1, 3, 64, dtype=dtype)
    forward, backward = op.forward_constants(*tensors), op.backward_constants(*tensors)
    if dtype is torch.bfloat16:
        forward["FACTOR"] = tl.bfloat16  # as where the tensors are on a GPU
    for kernel, fixed, warps in (
        (op.tacn_sequence, forward, op.FORWARD_WARPS),
        (op.tacn_sequence_gradient, backward, op.BACKWARD_WARPS),
    ):
        signature = {
            name: "constexpr" if name in fixed else own.get(name, names[dtype])
            for name in kernel.arg_names
        }
        made = triton.compile(
            ASTSource(kernel, signature=signature, constexprs=fixed),
            target=GPUTarget("cuda", target, 32),
            options={"num_warps": warps},
        )
        code = made.asm["cubin"][:4].hex(), "mma" in made.asm["ptx"]
        print(json.dumps([kernel.__name__, made.metadata.shared, *code]))
"""
DESKTOP_SHARED_BYTES = 99 << 10
"""Limit of a program on compute capability 8.6, 8.9 and 12.0."""


def test_both_kernels_compile_for_gpus() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 3 * 2
    for kernel, shared, magic, tensor_cores in rows:
        assert magic == b"\x7fELF".hex()
        assert shared <= DESKTOP_SHARED_BYTES
        assert tensor_cores == (kernel == "tacn_sequence")
