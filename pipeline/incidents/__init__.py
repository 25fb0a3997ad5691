"""Incidents: their life, their identity, their words."""
