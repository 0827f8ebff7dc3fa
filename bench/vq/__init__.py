"""The codebook lookup and its fusion to tokens, beside other runtimes and the FMA units."""
