"""What a request carries, and to which hosts."""
