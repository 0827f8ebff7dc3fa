"""The mathematics of the kernels in plain numpy, which every backend is held against."""
