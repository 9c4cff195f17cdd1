"""A soak of the service: mixed load over a long time, every answer judged."""
