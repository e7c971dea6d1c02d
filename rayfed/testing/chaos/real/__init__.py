"""Chaos over real parts: Ray, Anvil, an S3 server and whole runs of ``python -m rayfed``, struck at moments by seed."""
