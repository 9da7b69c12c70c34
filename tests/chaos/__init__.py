"""Real processes, real kills: what was acknowledged is compared with what the store and the storage hold."""
