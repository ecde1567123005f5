"""The contracts of the ports as suites of tests, for those who write adapters: subclass one in a
test module and give it the fixture that it names. The prose is in `pipekit.ports`.
"""

from __future__ import annotations

from pipekit.testing.suites.blob_store import BlobStoreContract
from pipekit.testing.suites.store import StoreContract

__all__ = ["BlobStoreContract", "StoreContract"]
