"""Protected: what no rule may take, whatever it says. Queues ask the same of `store.protection`."""

from __future__ import annotations

from curate.store.protection import images as protected
from curate.store.protection import places, roots

__all__ = ["places", "protected", "roots"]
