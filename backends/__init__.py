"""Where images are kept: one module per storage backend, and the guard around each."""
