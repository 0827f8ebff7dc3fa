"""From corpora on disk to batches of augmented spectrograms."""
