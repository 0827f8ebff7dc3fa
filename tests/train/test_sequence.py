"""The sequence models of the paper's table share one interface."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.train.models import small_config, small_model, voice
from train.__main__ import main
from train.checkpoint import Checkpoint
from train.export import export_bundle
from train.models.emotion import EmotionModel, ModelConfig
from train.models.recurrent import CannotStreamError
from train.models.segment import HOP, Segments
from train.models.sequence import SEQUENCES, SequenceModel, parameter_counts, sequence_model
from train.models.tacn import TACN, TACNConfig

BOTH_WAYS = ("bgru", "blstm")
CAUSAL = tuple(kind for kind in SEQUENCES if kind not in BOTH_WAYS)
SIZES = TACNConfig(width=12, layers=3, taps=3, heads=3)


def made(kind: str, seed: int = 0) -> SequenceModel:
    torch.manual_seed(seed)
    return sequence_model(kind, SIZES).double().eval()


def tokens(batch: int = 3, time: int = 20) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(batch, time, SIZES.width, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("kind", SEQUENCES)
def test_it_sees_its_receptive_field_and_no_more(kind: str) -> None:
    model, x, at = made(kind), tokens(1, 30), 20
    assert model.hop == 1
    y = model(x)
    assert y.shape == x.shape
    for t in range(30):
        moved = x.clone()
        moved[0, t] += 1.0
        changed = not torch.equal(model(moved)[0, at], y[0, at])
        assert changed == (at - model.receptive_field < t <= at + model.delay), t


@pytest.mark.parametrize("kind", CAUSAL)
def test_step_equals_forward_and_is_pure(kind: str) -> None:
    model, x = made(kind), tokens()
    assert model.delay == 0
    state, double = model.initial_state(3), torch.float64
    if isinstance(state, Tensor):
        state = state.to(double)
    elif isinstance(state, tuple):
        state = tuple(part.to(double) for part in state)
    else:
        name = "rings" if isinstance(model, TACN) else "past"
        setattr(state, name, [part.to(double) for part in getattr(state, name)])
    outputs = []
    for t in range(x.shape[1]):
        y, after = model.step(x[:, t], state)
        again, _ = model.step(x[:, t], state)
        assert torch.equal(y, again)
        outputs.append(y)
        state = after
    torch.testing.assert_close(torch.stack(outputs, 1), model(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", BOTH_WAYS)
def test_what_reads_both_ways_says_that_it_cannot_stream(kind: str) -> None:
    model = made(kind)
    assert (model.delay, model.receptive_field) == (math.inf, math.inf)
    with pytest.raises(
        CannotStreamError, match=f"{kind} cannot stream: it reads an utterance from"
    ):
        model.initial_state(1)
    with pytest.raises(CannotStreamError, match=f"{kind} cannot stream"):
        model.step(tokens()[:, 0], None)


@pytest.mark.parametrize("kind", SEQUENCES)
def test_padding_is_never_read(kind: str) -> None:
    model, x, lengths = made(kind), tokens(), torch.tensor([20, 1, 13])
    for row, length in zip(x, lengths.tolist(), strict=True):
        row[length:] = math.nan
    y = model(x, lengths)
    for row, (whole, length) in enumerate(zip(x, lengths.tolist(), strict=True)):
        alone = model(whole[None, :length])[0]
        torch.testing.assert_close(y[row, :length], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", [[20, 1], [20, 0, 1], [20, 21, 1]])
def test_lengths_that_do_not_fit_are_named(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit 3 utterances of up to 20 tokens"):
        made("blstm")(tokens(), torch.tensor(lengths))


@pytest.mark.parametrize("kind", SEQUENCES)
def test_it_learns_to_remember_the_token_before_the_last(kind: str) -> None:
    model = made(kind).float().train()
    head = nn.Linear(SIZES.width, 1)
    parameters = [*model.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters, 1e-2)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(120):
        x = torch.randn(16, 12, SIZES.width, generator=generator)
        # In the trainer's precision.
        with torch.autocast("cpu", torch.bfloat16):
            y = head(model(x, torch.full((16,), 12)))[:, 2:, 0].float()
        loss = (y - x[:, :-2, 0]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_parameter_counts() -> None:
    config = TACNConfig()
    c, layers, counts = config.width, config.layers, parameter_counts(config)
    assert tuple(counts) == SEQUENCES
    square = c * c
    assert counts["simplernn"] == 2 * square + 2 * c
    assert counts["gru"] == 3 * counts["simplernn"]
    assert counts["lstm"] == 4 * counts["simplernn"]
    assert counts["bgru"] == 2 * counts["gru"] + 2 * square + c
    assert counts["blstm"] == 2 * counts["lstm"] + 2 * square + c
    assert counts["tcn"] == layers * (3 * square + c)
    assert counts["tacn"] == layers * (7 * square + c)


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(ValueError, match="no sequence model 'mamba'; there are simplernn, gru, "):
        sequence_model("mamba", SIZES)


def with_sequence(kind: str) -> ModelConfig:
    return ModelConfig.from_dict({**small_config().to_dict(), "sequence": kind})


def some_segments() -> Segments:
    """Two utterances of nine."""
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(2, 9, 32, 128, generator=generator)
    return Segments(wide, torch.randn(2, 9, 7, 104, generator=generator))


def test_tacn_keeps_its_names_and_what_it_computes() -> None:
    model, config = small_model(), small_config()
    assert config.sequence == "tacn"
    names = {name for name, _ in model.named_parameters() if name.startswith("tacn.")}
    parts = ("qkv", "output", "filters", "bias")
    assert names == {f"tacn.layers.{n}.{part}" for n in range(4) for part in parts}
    assert {name.split(".")[0] for name in model.state_dict()} == {
        *("frontend", "fusion", "tacn", "head", "gate", "speaker")
    }
    segments = some_segments()
    with torch.no_grad():
        joined = model.speaker.standardised(model.tokens_of(segments))
        for layer in model.tacn.layers:
            joined = layer(joined)
        assert torch.equal(model.from_segments(segments)[..., :-1], model.head(joined))
        padded = model.from_segments(segments, torch.tensor([9, 2]))
        assert torch.equal(padded[..., :-1], model.head(joined))


def test_checkpoints_from_before_there_was_a_choice_are_read() -> None:
    old = small_config().to_dict()
    del old["sequence"]
    assert ModelConfig.from_dict(old) == small_config()


@pytest.mark.parametrize("kind", SEQUENCES)
def test_any_of_them_makes_a_model_that_is_saved_and_read(kind: str, tmp_path: Path) -> None:
    model = small_model(with_sequence(kind))
    audio = voice(1.5)
    with torch.no_grad():
        logits = model(audio)
        assert logits.shape == (1, -(-audio.shape[1] // HOP), 5)
        assert torch.isfinite(logits).all()
        Checkpoint(model).save(tmp_path / "a.safetensors")
        back = Checkpoint.load(tmp_path / "a.safetensors").model
        assert back.config.sequence == kind
        assert torch.equal(back(audio), logits)
    assert model.receptive_field == 4224 + (model.sequence.receptive_field - 1) * HOP
    assert model.delay == model.sequence.delay * HOP


def test_a_model_that_reads_both_ways_does_not_read_padding() -> None:
    model = small_model(with_sequence("blstm"))
    segments = some_segments()
    with torch.no_grad():
        alone = model.from_segments(Segments(*(view[1:, :4] for view in segments)))[0]
        batched = model.from_segments(segments, torch.tensor([9, 4]))[1, :4]
        leaking = model.from_segments(segments)[1, :4]
    torch.testing.assert_close(batched, alone, rtol=0, atol=1e-5)
    assert (leaking - alone).abs().max() > 1e-4


@pytest.mark.parametrize("kind", [kind for kind in SEQUENCES if kind != "tacn"])
def test_only_tacn_is_exported(kind: str, tmp_path: Path) -> None:
    model = EmotionModel(with_sequence(kind)).eval()
    why = "cannot stream" if kind in BOTH_WAYS else "bundles and step graphs hold a TACN"
    facts = {"name": "x", "version": "1", "licence": "x", "notices": [], "training": {}}
    with pytest.raises(CannotStreamError, match=f"'{kind}' .* cannot be exported: .*{why}"):
        export_bundle(model, tmp_path / "x.edgeser", facts, {"speech": 0.5, "confidence": 0.0})
    assert not list(tmp_path.iterdir())


def test_the_command_line_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Checkpoint(small_model(with_sequence("bgru")), facts={"name": "x"}).save(tmp_path / "a")
    monkeypatch.setattr("sys.argv", ["train", "export", str(tmp_path / "a"), str(tmp_path / "b")])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("error: a model with 'bgru' for its sequence cannot be exported")
