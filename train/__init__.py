"""Training, evaluation and export of the models that edgeser runs."""
