"""What lower precision does to the front end and the kernels: graphs, errors, accuracy."""
