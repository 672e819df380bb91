"""Several repositories as one: which root holds a model version, and which version a reference means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.errors import ManifestError, UnknownModel
from models.repository import LATEST, Repository, checked_labels, digest
from models.versions import latest, sorted_versions

# The label that a reference of None means, where it is set.
STABLE = "stable"


class Registry:
    """The models of several roots, looked up in order.

    Args:
        repositories: The roots. The same version of a model may be in several only if it is the same (equal digests).
        override_labels: Model to label to version; a label given here wins over the roots' labels.yaml.

    Raises:
        ManifestError: A label that is no label, or `latest`.
    """

    def __init__(
        self, repositories: Sequence[Repository], override_labels: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self._repositories = tuple(repositories)
        self._override_labels = {
            name: checked_labels(labels, f"the labels set for model '{name}'")
            for name, labels in (override_labels or {}).items()
        }

    def names(self) -> list[str]:
        """List all models, by name."""
        return sorted({name for repository in self._repositories for name in repository.models()})

    def versions(self, name: str) -> list[str]:
        """List a model's versions over all roots, oldest first.

        Raises:
            UnknownModel: No root has it.
            ManifestError: Two roots have different models under the same version.
        """
        return sorted_versions(self._placed(name))

    def labels(self, name: str) -> dict[str, str]:
        """Give a model's labels: those set by settings, then those of the roots, the first root first.

        Raises:
            UnknownModel: No root has the model.
            ManifestError: A label names a version that does not exist, or is itself the name of a version.
        """
        versions = self.versions(name)
        labels: dict[str, str] = {}
        for repository in reversed(self._repositories):
            labels.update(repository.labels(name))
        labels.update(self._override_labels.get(name, {}))
        for label, version in labels.items():
            if label in versions:
                raise ManifestError(f"labels of '{name}'", f"'{label}' is also the name of a version")
            if version not in versions:
                known = ", ".join(versions)
                raise ManifestError(f"labels of '{name}'", f"'{label}' names version '{version}'; there is: {known}")
        return labels

    def resolve(self, name: str, reference: str | None = None) -> tuple[Repository, str]:
        """Find the version that a reference means, and the first root that holds it.

        Args:
            name: The model.
            reference: A version, a label, `latest`, or None: the label `stable` if it is set, else the latest.

        Raises:
            UnknownModel: No such model, version or label.
            ManifestError: The roots contradict each other, or a label is wrong.
        """
        placed = self._placed(name)
        if reference in placed:
            return placed[reference], reference
        labels = self.labels(name)
        if reference is None:
            version = labels.get(STABLE) or latest(placed)
        elif reference == LATEST:
            version = latest(placed)
        elif reference in labels:
            version = labels[reference]
        else:
            raise UnknownModel(name, reference, (*sorted_versions(placed), *sorted(labels)))
        return placed[version], version

    def _placed(self, name: str) -> dict[str, Repository]:
        """Map each version to the first root that holds it."""
        placed: dict[str, Repository] = {}
        for repository in self._repositories:
            try:
                versions = repository.versions(name)
            except UnknownModel:
                continue
            for version in versions:
                first = placed.setdefault(version, repository)
                if first is not repository:
                    _check_same(name, version, first, repository)
        if not placed:
            raise UnknownModel(name, None, tuple(self.names()))
        return placed


def _check_same(name: str, version: str, first: Repository, second: Repository) -> None:
    """Raise ManifestError unless both roots mean the same model."""
    if digest(first.manifest(name, version)) != digest(second.manifest(name, version)):
        reason = f"is another model than {first.root}/{name}/{version}; give one of them a new version"
        raise ManifestError(f"{second.root}/{name}/{version}", reason)
