"""Chaos over real parts: Ray, Anvil, an S3 server and whole runs of ``python -m rayfed``, with faults drawn by seed."""
