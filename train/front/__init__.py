"""The front end trained on a GPU: several sizes at once, from material that was packed small."""
