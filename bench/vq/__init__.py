"""The codebook lookup and its fusion to tokens, compared with other runtimes and the FMA peak."""
