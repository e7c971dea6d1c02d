"""What people are told on the terminal, kept in the log with its time: the log's own handler for the terminal does not
repeat it (``conf/hydra/job_logging/quiet.yaml``).
"""

from __future__ import annotations

import logging

told = logging.getLogger("rayfed.told")
