"""One frozen dataclass for each Hydra group, in files by what they are about; ``config.schema`` puts them together."""
