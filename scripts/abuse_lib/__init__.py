"""Attacks on the service, one after the other, each with bounds."""
