"""The networks, one file each, in the order in which audio passes through them.

``spectrogram`` and ``level`` make the normalised spectrogram of a segment; ``cnn`` and ``vqvae``
read it; ``fusion`` joins the two into a token; ``tacn`` models the sequence of tokens; ``emotion``
is the whole.
"""
