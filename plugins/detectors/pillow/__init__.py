"""The built-in detector: Pillow in child processes with bounded memory and CPU time.

Only ``decode``, ``judgement`` and ``tails`` import Pillow, and only in the child; the rest uses the contracts.
Begin with ``detector``; ``pool`` keeps the children, ``structure`` reads files without Pillow.
"""
