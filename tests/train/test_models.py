"""The networks: offline equals incremental, causality, independence of gain."""

import pytest
import torch

from tests.train.models import small_model, voice
from train.models.emotion import EmotionModel, ModelConfig
from train.models.harmonics import Harmonics, frequencies
from train.models.level import UNSET, LevelConfig, RunningLevel
from train.models.segment import HOP, LEAD, SEGMENT, Views, led_in
from train.models.spectrogram import Spectrogram
from train.models.tacn import TACN, TACNConfig
from train.models.vqvae import VQVAE, Codebook, VQVAEConfig


@pytest.mark.parametrize(
    ("width", "heads", "taps", "layers"), [(16, 4, 3, 4), (6, 3, 2, 3), (8, 1, 4, 2)]
)
def test_tacn_step_equals_forward(width: int, heads: int, taps: int, layers: int) -> None:
    torch.manual_seed(0)
    tacn = TACN(TACNConfig(width, layers, taps, heads)).double().eval()
    x = torch.randn(3, 70, width, dtype=torch.float64)
    state = tacn.initial_state(3)
    state.rings = [ring.double() for ring in state.rings]
    outputs = []
    for t in range(x.shape[1]):
        y, state = tacn.step(x[:, t], state)
        outputs.append(y)
    torch.testing.assert_close(torch.stack(outputs, 1), tacn(x), rtol=0, atol=1e-12)


def test_tacn_step_is_pure() -> None:
    tacn = TACN(TACNConfig(8, 2, 3, 2)).eval()
    state = tacn.initial_state(1)
    before = [ring.clone() for ring in state.rings]
    tacn.step(torch.randn(1, 8), state)
    assert int(state.position) == 0
    assert all(torch.equal(a, b) for a, b in zip(before, state.rings, strict=True))


def test_tacn_sees_exactly_its_receptive_field() -> None:
    torch.manual_seed(1)
    tacn = TACN(TACNConfig(8, 3, 3, 2)).double().eval()
    field = tacn.receptive_field
    assert field == 15
    x = torch.randn(1, 40, 8, dtype=torch.float64)
    last = tacn(x)[0, 30]
    for t in range(40):
        moved = x.clone()
        moved[0, t] += 1.0
        changed = not torch.equal(tacn(moved)[0, 30], last)
        assert changed == (30 - field < t <= 30), t


def test_missing_taps_do_not_depend_on_what_a_ring_holds() -> None:
    torch.manual_seed(2)
    tacn = TACN(TACNConfig(8, 3, 3, 2)).eval()
    clean, dirty = tacn.initial_state(1), tacn.initial_state(1)
    dirty.rings = [torch.full_like(ring, 7.0) for ring in dirty.rings]
    for _ in range(9):
        x = torch.randn(1, 8)
        a, clean = tacn.step(x, clean)
        b, dirty = tacn.step(x, dirty)
        assert torch.equal(a, b)


def test_spectrogram_powers_sum_to_the_mean_square() -> None:
    noise = torch.randn(4, SEGMENT) * 0.1
    power = Spectrogram()(noise)
    assert power.shape == (4, 32, 129)
    assert power.sum(-1).mean().item() == pytest.approx(noise.square().mean().item(), rel=0.03)


def test_level_rises_fast_falls_slowly_and_stops_at_the_quietest() -> None:
    running = RunningLevel(LevelConfig())

    def follow(heard: list[float]) -> float:
        level = torch.tensor([UNSET])
        for value in heard:
            level = running.update(level, torch.tensor([value]))
        return float(level)

    assert follow([-60.0]) == -60.0
    assert follow([-60.0] + 5 * [-25.0]) > -28.0
    assert (
        follow([-25.0] + 8 * [-70.0]) > -27.0
    )  # a second of pause costs little more than a decibel
    assert follow([-160.0]) == -140.0


def test_views_segment_by_segment_are_those_of_the_whole() -> None:
    views, audio = Views(), led_in(voice(1.7))
    whole, level = views.of_streams(audio), torch.tensor([UNSET])
    hops = (audio.shape[1] - LEAD) // HOP
    assert whole.spectrogram.shape == (1, hops, 32, 128)
    assert whole.harmonics.shape == (1, hops, 7, 104)
    for t in range(hops):
        one, level = views(audio[:, t * HOP : t * HOP + SEGMENT], level)
        torch.testing.assert_close(one.spectrogram, whole.spectrogram[:, t], rtol=0, atol=1e-5)
        torch.testing.assert_close(one.harmonics, whole.harmonics[:, t], rtol=0, atol=1e-5)


def test_a_tone_is_one_band_of_the_harmonics() -> None:
    hertz = frequencies()
    t = torch.arange(SEGMENT) / 16_000
    for band in (24, 60, 100):
        tone = torch.sin(2 * torch.pi * float(hertz[band]) * t)[None]
        power = Harmonics()(tone)
        assert power.shape == (1, 7, 104)
        assert (power.argmax(-1) == band).all()
        torch.testing.assert_close(power[..., band], torch.full((1, 7), 0.5), rtol=0.02, atol=0)


def test_digital_silence_is_the_floor() -> None:
    views = Views()
    segments, level = views(torch.zeros(1, SEGMENT), torch.tensor([UNSET]))
    assert (segments.spectrogram == -1).all()
    assert (segments.harmonics == -1).all()
    assert float(level) == -140.0


@pytest.mark.parametrize("gain_db", [-20.0, 20.0])
def test_gain_does_not_matter(gain_db: float) -> None:
    model, audio = small_model(), voice(2.0) * 0.05
    with torch.no_grad():
        plain, changed = model(audio), model(audio * 10 ** (gain_db / 20))
    assert (plain - changed).abs().max().item() < 1e-3


def test_model_is_causal_and_the_front_end_gives_the_same() -> None:
    model, audio = small_model(), voice(2.0)
    later = audio.clone()
    later[:, 10 * HOP :] = 0.3 * torch.randn_like(later[:, 10 * HOP :])
    with torch.no_grad():
        logits = model(audio)
        assert torch.equal(logits[:, :10], model(later)[:, :10])
        assert not torch.equal(logits[:, 10], model(later)[:, 10])
        padded = torch.nn.functional.pad(audio, (LEAD, 0))
        level, state = torch.tensor([UNSET]), model.tacn.initial_state(1)
        for t in range(10):
            deep, latent, level = model.frontend(padded[:, t * HOP : t * HOP + SEGMENT], level)
            token = model.speaker.standardised(model.fusion(deep, latent))
            y, state = model.tacn.step(token, state)
            torch.testing.assert_close(model.head(y), logits[:, t, :-1], rtol=0, atol=2e-5)


def test_nearest_code_is_the_lowest_on_ties() -> None:
    book = Codebook(VQVAEConfig(codes=4, code_width=2))
    book.codes.copy_(torch.tensor([[5.0, 5.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    assert book.nearest(torch.tensor([[1.0, 0.1], [0.0, 0.9], [0.5, 0.5]])).tolist() == [1, 3, 1]


def test_gradient_passes_straight_through_the_codebook() -> None:
    book = Codebook(VQVAEConfig(codes=8, code_width=4))
    encoded = torch.randn(2, 3, 4, requires_grad=True)
    quantised, _, _ = book(encoded)
    quantised.sum().backward()
    assert encoded.grad is not None
    assert torch.equal(encoded.grad, torch.ones_like(encoded))


def test_codebook_moves_to_its_vectors_and_restarts_dead_codes() -> None:
    torch.manual_seed(3)
    book = Codebook(VQVAEConfig(codes=16, code_width=2))
    centres = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 3.0], [0.0, -3.0]])
    for _ in range(300):
        data = centres[torch.randint(4, (256,))] + 0.05 * torch.randn(256, 2)
        book.update(data, book.nearest(data))
    gap = torch.cdist(centres, book.codes).min(1).values
    assert gap.max().item() < 0.1
    assert torch.cdist(book.codes, centres).min(1).values.max().item() < 0.5


def test_vqvae_learns_to_rebuild() -> None:
    torch.manual_seed(4)
    vqvae = VQVAE(VQVAEConfig(codes=32))
    optimiser = torch.optim.Adam(vqvae.parameters(), 3e-3)
    ramp = torch.linspace(-1, 1, 128)
    data = torch.stack([ramp.roll(16 * i).expand(32, 128) for i in range(8)]).repeat(4, 1, 1)
    losses = []
    for _ in range(60):
        _, loss, encoded, chosen = vqvae(data)
        vqvae.codebook.update(encoded.detach(), chosen)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_modules_say_what_they_need() -> None:
    model = EmotionModel(ModelConfig())
    assert (model.hop, model.delay) == (2048, 0)
    assert model.tacn.receptive_field == 127
    assert model.receptive_field == SEGMENT + 126 * HOP
    assert (model.frontend.receptive_field, model.frontend.hop) == (4224, 2048)


def test_front_end_stays_within_the_edge_budget() -> None:
    from train.models.cost import multiply_adds

    model = EmotionModel(ModelConfig()).eval()
    cost = multiply_adds(model.frontend, torch.zeros(1, SEGMENT), torch.zeros(1))
    assert 1e6 < cost < 16e6
