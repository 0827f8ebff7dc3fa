"""Models for your own emotions and voices, from a parent's front end and sequence model."""
