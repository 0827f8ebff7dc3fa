"""The networks, one file each, in the order in which audio passes through them.

``spectrogram`` and ``level`` make the normalised spectrogram of a segment; ``cnn`` and ``vqvae``
read it; ``emotion`` joins the two into a token and is the whole; ``tacn`` models the sequence of
tokens, or, for comparison, ``tcn`` or ``recurrent``: ``sequence`` makes any of them.
"""
