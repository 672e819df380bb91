"""Everything that is looked at together: a rule may ask what stands in another document."""

from __future__ import annotations

from dataclasses import dataclass

from kuberay.lint.document import Document
from kuberay.lint.version import Version
from kuberay.lint.views import Cluster, clusters_of

KUBERAY = (1, 7, 1)
"""The operator that is assumed where nothing says another."""


@dataclass(frozen=True)
class Bundle:
    """The documents of one run.

    Attributes:
        kuberay: Version of the operator that they are for.
    """

    documents: tuple[Document, ...]
    kuberay: Version = KUBERAY

    @property
    def clusters(self) -> list[Cluster]:
        """Every Ray cluster that is described."""
        return [cluster for document in self.documents for cluster in clusters_of(document)]
