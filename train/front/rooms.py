"""Simulates rooms, noises and microphones for a whole batch at once, on a device.

Same distributions as :class:`train.data.augment.Augment`, which changes one recording on the host;
shares are exact numbers of rows here, so that shapes do not depend on chance.
"""

import math
from collections.abc import Sequence

import scipy.fft
import torch
from torch import Tensor, nn

from train.data.augment import AugmentConfig, Samples
from train.front.bank import Flat
from train.models.segment import LEAD, SAMPLE_RATE, Segments

RESPONSE = SAMPLE_RATE // 2
COARSE = 65
"""Points of a frequency response."""


class Rooms:
    """Draws new conditions for every row of a batch."""

    def __init__(
        self,
        config: AugmentConfig,
        noises: Flat,
        responses: Sequence[Samples],
        generator: torch.Generator,
    ) -> None:
        self.config, self.noises, self.generator = config, noises, generator
        device = noises.samples.device
        self.device = device
        self.starts = torch.from_numpy(noises.starts).to(device)
        self.lengths = torch.from_numpy(noises.lengths).to(device)
        kept = torch.zeros(len(responses), RESPONSE)
        for row, response in zip(kept, responses, strict=True):
            row[: len(response)] = torch.from_numpy(response)[:RESPONSE]
        self.responses = kept.to(device)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Random numbers (shape) in a range."""
        drawn = torch.rand(*shape, generator=self.generator, device=self.device)
        return low + (high - low) * drawn

    def some(self, rows: int, share: float) -> tuple[Tensor, Tensor]:
        """A random share of the rows, and the other rows."""
        order = self.uniform(0, 1, rows).argsort()
        count = round(share * rows)
        return order[:count], order[count:]

    def __call__(self, placed: Tensor, power: Tensor) -> Tensor:
        """Streams (B, L) with lead-in and mean powers (B,), as microphones would record them."""
        c, (rows, length) = self.config, placed.shape
        transform = scipy.fft.next_fast_len(length + RESPONSE, real=True)
        spectrum = torch.fft.rfft(placed, transform)
        axis = torch.linspace(0, 1, spectrum.shape[1], device=self.device)
        wet, _ = self.some(rows, c.reverberation if len(self.responses) else 0.0)
        if len(wet):
            spectrum[wet] = spectrum[wet] * torch.fft.rfft(self._response(len(wet)), transform)
        spectrum += self._noise(power, length, transform, axis)
        factor = (self._gains(rows) * (math.log(10) / 20)).exp()
        spectrum *= nn.functional.interpolate(
            factor[:, None], len(axis), mode="linear", align_corners=True
        )[:, 0]
        heard: Tensor = torch.fft.irfft(spectrum, transform)[:, :length]
        heard[:, :LEAD] = 0
        return heard

    def _response(self, rows: int) -> Tensor:
        which = (self.uniform(0, len(self.responses), rows)).long()
        seconds = torch.arange(RESPONSE, device=self.device) / SAMPLE_RATE
        rt60 = self.uniform(0.15, 0.8, rows)[:, None]
        shortened = self.responses[which] * (-3 * math.log(10) * seconds / rt60).exp()
        energy = (shortened.square().sum(1) + 1e-20).sqrt()
        loud = 10 ** (self.uniform(-15, 0, rows) / 20)
        wet = shortened * (loud / energy)[:, None]
        wet[:, 0] += 1
        return wet

    def _noise(self, power: Tensor, length: int, transform: int, axis: Tensor) -> Tensor:
        """Spectra of noises at random levels relative to the sounds' mean powers."""
        c, rows = self.config, len(power)
        spectrum = torch.empty(rows, len(axis), dtype=torch.complex64, device=self.device)
        heard = torch.full((rows,), transform, device=self.device)
        synthetic, recorded = self.some(rows, c.synthetic)
        drawn = torch.randn(
            len(synthetic), len(axis), 2, generator=self.generator, device=self.device
        )
        slope = self.uniform(-30, 3, len(synthetic))[:, None]
        shape = (slope * axis.sqrt() * (math.log(10) / 20)).exp()
        spectrum[synthetic] = torch.view_as_complex(drawn) * shape
        if len(recorded):
            spectrum[recorded] = torch.fft.rfft(self.cuts(len(recorded), length), transform)
            heard.index_fill_(0, recorded, length)
        found = 2 * torch.view_as_real(spectrum).square().sum((1, 2)) / transform / heard + 1e-20
        ratio = self.uniform(*c.snr_db, rows)
        ratio = torch.where(self.uniform(0, 1, rows) < c.noise, ratio, self.uniform(40, 65, rows))
        wanted = power / 10 ** (ratio / 10)
        return spectrum * (wanted / found).sqrt()[:, None]

    def cuts(self, rows: int, length: int, which: Tensor | None = None) -> Tensor:
        """Sounds from a random position, repeated if too short: (rows, length)."""
        if which is None:
            which = self.uniform(0, len(self.starts), rows).long()
        lengths = self.lengths[which][:, None]
        begin = (self.uniform(0, 1, rows)[:, None] * lengths).long()
        places = torch.arange(length, device=self.device)
        places = self.starts[which][:, None] + (begin + places) % lengths
        return self.noises.samples[places].float() / 32768

    def _gains(self, rows: int) -> Tensor:
        """Random frequency responses (rows, 65) in dB, on a linear axis."""
        c, draw = self.config, self.uniform
        coarse = torch.linspace(0, 1, COARSE, device=self.device)
        gain = draw(*c.gain_db, rows, 1) + draw(-c.tilt_db, c.tilt_db, rows, 1) * (2 * coarse - 1)
        for ripples in (0.5, 1.0, 2.0, 4.0):
            phase = draw(0, 2 * math.pi, rows, 1) + 2 * math.pi * ripples * coarse.sqrt()
            gain = gain + draw(-c.tilt_db / 2, c.tilt_db / 2, rows, 1) * phase.cos()
        hertz, kind = coarse * SAMPLE_RATE / 2, draw(0, 1, rows, 1)
        outside = 0.1 * (hertz - 3400).clamp(min=0) + 0.15 * (300 - hertz).clamp(min=0)
        above = 0.1 * (hertz - draw(3500, 7500, rows, 1)).clamp(min=0)
        cut = torch.where(kind < c.telephone + c.lowpass, above, 0.0)
        return gain - torch.where(kind < c.telephone, outside, cut).clamp(max=50)

    def mask(self, segments: Segments) -> Segments:
        """Masks random adjacent bins of every row's spectrogram, with leading axes (B, T)."""
        spectrogram = segments.spectrogram
        rows, bins = len(spectrogram), spectrogram.shape[-1]
        first = self.uniform(0, bins, rows, 1, 1, 1).long()
        count = self.uniform(0, self.config.masked_bins + 1, rows, 1, 1, 1).long()
        place = torch.arange(bins, device=self.device)
        blank = (place >= first) & (place < first + count)
        return segments._replace(spectrogram=spectrogram.masked_fill(blank, -1.0))
