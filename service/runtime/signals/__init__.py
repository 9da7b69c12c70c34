"""What a running process does when it gets a signal: stop, end at once, or take over a changed configuration.

It may use ``config``, ``observe`` and the parts that take over options; ``serving`` and ``supervisor`` use it.
Begin with ``handlers``, which says what each signal does; ``reloading`` takes over a configuration, and ``parts`` makes
what each part takes over.
"""
