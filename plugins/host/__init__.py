"""What the service puts around each plugin: the registry, three layers around each call, and child processes.

Authors need nothing of it; it uses the contracts alone.
Begin with ``registry``. It finds a plugin and makes it. Then each call passes three layers, each with its own reason:

- The guard (``guards``, ``processing``, and ``lading.backends.guard`` for storage) knows the contract of one kind of
  plugin: keys, types of results, streams, how long which call may take. Each kind has rules that no other kind has.
- The call (``calls``) knows no contract: a turn, a deadline, cancellation, a plugin that blocks the event loop
  (``watch``), and errors with the plugin's name on them (``stamping``). Every plugin can hang, and can raise anything.
- The record (``record``) changes nothing of a call: what is logged and counted of it, and the phases of an attempt.
  Operators must see what plugins do also where all goes well.
"""
