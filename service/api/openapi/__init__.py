"""The description of the API, as OpenAPI 3.1: made from what routes requests and what judges them."""
