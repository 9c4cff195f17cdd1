"""Soak test of the service: long mixed load with checks of every response."""
