"""Decodes Opus packets with libopus, through opuslib. Needs the extra ``opus``.

libopus comes from the system (``apt install libopus0``). PyAV would include it, together with a
hundred megabytes of FFmpeg, x264 and x265, whose licences would then apply to a kiosk, too.
"""

from __future__ import annotations

from typing import Any

from edgeser.errors import AudioError

RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Sample rates in Hz that Opus can decode to; the rate before encoding does not matter."""
_LONGEST_PACKET = 0.12  # seconds, RFC 6716 section 3.2.5
_MISSING = (
    "format=opus is not installed on the server: send int16 or float32, or install it there "
    "(pip install 'edgeser[opus]' and libopus, which is apt install libopus0 on Debian, Ubuntu "
    "and Jetson, brew install opus on macOS)"
)


class OpusDecoder:
    """The decoder of one stream; packets depend on earlier ones.

    Args:
        rate: Hz, one of :data:`RATES`.
        channels: 1 or 2.

    Raises:
        AudioError: unsupported rate or number of channels, or opuslib or libopus is missing.
    """

    def __init__(self, rate: int, channels: int) -> None:
        if rate not in RATES or channels not in (1, 2):
            known = ", ".join(map(str, RATES))
            raise AudioError(
                f"Opus at rate={rate} with channels={channels}: its rates are {known}, "
                "its channels 1 or 2"
            )
        self._library = _opuslib()
        self._decoder = self._library.Decoder(rate, channels)
        self._longest = round(_LONGEST_PACKET * rate)

    def __call__(self, packet: bytes) -> bytes:
        """Decodes a packet to interleaved int16; raises AudioError if it is not an Opus packet."""
        try:
            decoded: bytes = self._decoder.decode(packet, self._longest) if packet else b""
        except self._library.OpusError as error:
            raise AudioError(
                f"a message of {len(packet)} bytes is not an Opus packet ({error}): "
                "send one a message, without a container"
            ) from None
        if not decoded:
            raise AudioError(
                "a message holds no Opus packet: skip it when there is nothing to send"
            )
        return decoded


def _opuslib() -> Any:
    try:
        import opuslib
    except Exception as error:  # opuslib raises a bare Exception where libopus is missing
        raise AudioError(_MISSING) from error
    return opuslib
