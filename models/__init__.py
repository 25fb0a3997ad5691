"""Estimators over plain floats: anchors, dispersion, seasonality, scores.

The lowest layer. Nothing here knows a cohort, Kafka or JSON; what a number stands for is the caller's business.
"""
