"""Implementations of the TACN step; each function makes one contestant, in its own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.tacn import task
from bench.worker import Contestant

if TYPE_CHECKING:
    from torch import Tensor


def _started(step: Callable[[], Any]) -> Contestant:
    for _ in range(task.WARM_UP):
        logits = step()
    return Contestant(step, np.array(logits))


def edgeser(width: int, batch: int, **options: Any) -> Contestant:
    """Our kernel through its Python binding."""
    from edgeser import _kernels

    w = task.weights(width)
    tacn = _kernels.TACN(
        *(w.query, w.key, w.value, w.output, w.taps, w.bias, w.head_weight, w.head_bias),
        heads=w.heads,
        dilations=w.dilations,
        **options,
    )
    states = [np.zeros(tacn.state_bytes, np.uint8) for _ in range(batch)]
    tokens = task.tokens(batch, width)
    return _started(lambda: tacn.step(tokens, states))


def _ringed(width: int, batch: int, run: Callable[[task.Floats, task.Floats], Any]) -> Contestant:
    """Keeps the rings for a peer whose graph maps (token, past) to (logits, newest)."""
    rings, tokens = task.Rings(), task.tokens(batch, width)
    memory = np.zeros((rings.total, batch, 3 * width), np.float32)
    past = np.empty((task.LAYERS, task.TAPS - 1, batch, 3 * width), np.float32)

    def step() -> task.Floats:
        np.take(memory, rings.past(), axis=0, out=past)
        logits, newest = run(tokens, past)
        memory[rings.newest()] = newest
        return logits  # type: ignore[no-any-return]

    # Taps before the first token are zeros here, not masked, so results agree after WARM_UP steps.
    return _started(step)


def onnx_runtime(width: int, batch: int, fused: bool) -> Contestant:
    """ONNX Runtime with buffers bound once."""
    import onnxruntime as ort

    from bench.tacn.graph import step_graph

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    graph = step_graph(task.Folded.of(task.weights(width)), fused)
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    logits = np.empty((batch, task.OUTPUTS), np.float32)
    newest = np.empty((task.LAYERS, batch, 3 * width), np.float32)
    binding = session.io_binding()
    for name, array in (("logits", logits), ("newest", newest)):
        binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    bound: list[int] = []

    def run(token: task.Floats, past: task.Floats) -> tuple[task.Floats, task.Floats]:
        if not bound:
            for name, array in (("token", token), ("past", past)):
                binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
                bound.append(array.ctypes.data)
        session.run_with_iobinding(binding)
        return logits, newest

    return _ringed(width, batch, run)


def openvino(width: int, batch: int) -> Contestant:
    """OpenVINO, tuned for latency; it recognises the attention in the graph itself."""
    import openvino as ov

    from bench.tacn.graph import step_graph

    core = ov.Core()
    graph = core.read_model(step_graph(task.Folded.of(task.weights(width)), fused=False))
    graph.reshape({"token": [batch, width], "past": [task.LAYERS, task.TAPS - 1, batch, 3 * width]})
    wanted = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(graph, "CPU", wanted).create_infer_request()
    outputs = [request.get_output_tensor(i).data for i in range(2)]
    bound: list[object] = []

    def run(token: task.Floats, past: task.Floats) -> tuple[task.Floats, task.Floats]:
        if not bound:
            for name, array in (("token", token), ("past", past)):
                tensor = ov.Tensor(array, shared_memory=True)
                request.set_tensor(name, tensor)
                bound.append(tensor)
        request.infer()
        return outputs[0], outputs[1]

    return _ringed(width, batch, run)


def torch(width: int, batch: int, compiled: bool) -> Contestant:
    """PyTorch, eager or compiled (frozen weights, C++ wrapper), including the rings."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    torch.set_num_threads(1)
    weights = task.Folded.of(task.weights(width))

    class Step(torch.nn.Module):
        projection: Tensor
        convolution: Tensor
        bias: Tensor
        head_weight: Tensor
        head_bias: Tensor

        def __init__(self) -> None:
            super().__init__()
            for name, array in vars(weights).items():
                self.register_buffer(name, torch.from_numpy(array))

        def forward(self, x: Tensor, memory: Tensor, past: Tensor, newest: Tensor) -> Tensor:
            older, rows = memory[past], []  # (N, k-1, B, 3C)
            for n in range(task.LAYERS):
                rows.append(x @ self.projection[n])
                taps = torch.cat([rows[n][None], older[n]])
                q, k, v = taps.view(task.TAPS, batch, 3, task.HEADS, -1).permute(2, 1, 3, 0, 4)
                mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, -1)
                x = x + torch.relu(torch.addmm(self.bias[n], mixed, self.convolution[n]))
            memory.index_copy_(0, newest, torch.stack(rows))
            return torch.addmm(self.head_bias, x, self.head_weight)

    run: Callable[..., Tensor] = Step().eval()
    if compiled:
        import torch._inductor.config as inductor

        inductor.freezing = inductor.cpp_wrapper = True
        run = torch.compile(run, dynamic=False, fullgraph=True)
    rings = task.Rings()
    memory = torch.zeros(rings.total, batch, 3 * width)
    tokens = torch.from_numpy(task.tokens(batch, width))

    def step() -> Tensor:
        with torch.no_grad():
            past, newest = torch.from_numpy(rings.past()), torch.from_numpy(rings.newest())
            return run(tokens, memory, past, newest)

    return _started(step)
