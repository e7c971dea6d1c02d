"""What a run learned from, for MLflow's dataset column: what the charter says of the data, and nothing of the data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rayfed.encoding import canonical

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

    from rayfed.protocol.charter_parts import DataTerms

DIGEST = 8
"""Hexadecimal digits of the charter's terms by which MLflow tells data sets apart."""

MOST_COLUMNS = 200
"""Columns that a schema names: MLflow stores no longer ones."""


@dataclass(frozen=True, slots=True)
class LearnedFrom:
    """A data set as MLflow lists it.

    Attributes:
        name: the settings' ``data.kind``.
        digest: of what the charter says of the data: the same for all parties, whatever each of them has.
        schema: MLflow's, as JSON.
        charter_hash: of the federation's charter, ``0x`` and hexadecimal digits.
    """

    name: str
    digest: str
    schema: str
    charter_hash: str

    @classmethod
    def of(cls, kind: str, terms: DataTerms, charter_hash: bytes) -> LearnedFrom:
        """Return what the charter's ``data`` says."""
        return cls(
            kind, _digest(canonical.dumps(terms.to_dict())), json.dumps(_schema(terms)), "0x" + charter_hash.hex()
        )

    def as_input(self, examples: int | None = None) -> DatasetInput:
        """Return it as a run's input for training.

        Args:
            examples: how many of them the run has; None: nobody says.
        """
        from mlflow.data.code_dataset_source import CodeDatasetSource
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = CodeDatasetSource({"mlflow.source.name": "rayfed", "charter": self.charter_hash, "kind": self.name})
        # MLflow keeps one profile for a name and a digest in an experiment, so that what differs is in the digest.
        profile = None if examples is None else json.dumps({"num_examples": examples})
        digest = self.digest if profile is None else _digest(self.digest + profile)
        dataset = Dataset(
            self.name, digest, source._get_source_type(), source.to_json(), schema=self.schema, profile=profile
        )
        return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST]


def _schema(terms: DataTerms) -> dict[str, Any]:
    """Return MLflow's schema: the columns of a table, or the form of tensors."""
    columns = terms.prepare.get("columns", [])
    if columns and len(columns) <= MOST_COLUMNS:
        kinds = {one["name"]: "string" if "values" in one else "double" for one in columns}
        return {"mlflow_colspec": [{"type": kind, "name": name, "required": True} for name, kind in kinds.items()]}
    forms = terms.prepare.get("inputs") or [{"shape": terms.shape, "type": "uint8"}]
    tensors = [{"type": "tensor", "tensor-spec": {"dtype": f["type"], "shape": [-1, *f["shape"]]}} for f in forms]
    return {"mlflow_tensorspec": {"features": json.dumps(tensors), "targets": None}}
