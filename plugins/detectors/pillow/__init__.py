"""The built-in detector: Pillow in child processes with bounded memory and CPU time.

``decode`` and ``judgement`` alone import Pillow, in the child.
Begin with ``detector``; ``pool`` keeps the children, ``structure`` reads files without Pillow.
"""
