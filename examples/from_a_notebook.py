"""A federation from a notebook: open this file in Jupyter or VS Code, or run it: python examples/from_a_notebook.py

Each ``# %%`` begins a cell.
"""

# %% Settings: the same words as on the command line. A wrong one raises an error that names it.
import torch

import rayfed

try:
    rayfed.load(["federation.nodes=0"])
except rayfed.ConfigError as error:
    print(error)

settings = rayfed.load(
    [
        *("federation.nodes=3", "federation.rounds=2", "federation.alone=false"),
        *("train.epochs=2", "cluster.nodes_per_actor=3", "cluster.num_cpus=0", "track=none"),
    ]
)

# %% Run it: Ray, a chain of its own, three nodes. Progress appears below, line by line.
result = rayfed.run(settings)
print(f"accuracy {result.summary.final_accuracy:.3f}, root {result.summary.final_root}")

# %% The model that all of them agreed on, checked against its root.
model = rayfed.load_model(result.folder)
scores = model(torch.zeros(2, 1, 8, 8))
print(tuple(scores.shape))

# %% Was all of it as it must be? Every merge is computed again from the record and the nodes' blobs.
report = rayfed.audit(result.folder)
print("clean" if report.clean else report.findings)
