"""What needs no service: these tests run on every Python that the client supports, with httpx and pytest alone."""
