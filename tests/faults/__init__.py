"""Campaigns against faults: each has a short form among the tests, and a long one by command."""
