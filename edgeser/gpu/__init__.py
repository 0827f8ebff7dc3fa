"""What a GPU needs of a model: its shapes, its packed weights, and its kernels compiled before."""
