"""Parties apart: several on this machine, each in a network of its own, with nothing in common but a chain."""
