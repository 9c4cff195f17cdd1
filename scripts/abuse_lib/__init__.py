"""Attacks on the service with bounds on memory and latency."""
