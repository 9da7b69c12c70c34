"""How generated documents are tried: how long one takes says nothing."""

from hypothesis import HealthCheck, settings

settings.register_profile("lading-svg", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lading-svg")
