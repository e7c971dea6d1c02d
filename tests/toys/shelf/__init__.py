"""A toy store, as a stranger would add one: a folder, and one line in ``rayfed.store.registry``."""
