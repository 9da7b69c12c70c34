"""The files of ``deploy/``, used as an operator uses them."""
