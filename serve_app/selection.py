"""Which model versions the settings ask for, and where each is: no Ray, no weights read.

A model whose manifest is wrong stays in the selection with the reason, so that the others serve and it says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from models.errors import HeadraceError, LoadError, UnknownModel
from models.manifest import ImageSpec, Manifest
from models.registry import Registry
from models.repository import Repository
from models.source import ModelSource
from serve_app import settings as options
from serve_app.ingress.dataplane import ServedModel
from serve_app.preprocessing.transforms import build_transform
from serve_app.settings import PreprocessingPlacement, Settings, SettingsError


@dataclass(frozen=True, slots=True)
class Selected:
    """One model of the settings, found in the repositories.

    Attributes:
        options: Its settings.
        sources: Version to where it is, oldest first.
        labels: Label to version, `latest` included.
        default: The version that answers when a request names none.
        broken: Version to the reason why it cannot be described.
    """

    options: options.Model
    sources: Mapping[str, ModelSource]
    labels: Mapping[str, str]
    default: str
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.options.name


def select_models(settings: Settings) -> list[Selected]:
    """Find every model of the settings.

    Raises:
        SettingsError: A model, version or label of the settings does not exist, or a repository cannot be read.
    """
    cache_dir = Path(settings.cache_dir).expanduser()
    overrides = {model.name: model.labels for model in settings.models if model.labels}
    try:
        registry = Registry([Repository(root, cache_dir) for root in settings.repositories], overrides)
        wanted = settings.models or tuple(options.Model(name=name) for name in registry.names())
    except HeadraceError as error:
        raise SettingsError(str(error)) from error
    return [_select(model, registry, settings) for model in wanted]


def _select(model: options.Model, registry: Registry, settings: Settings) -> Selected:
    try:
        versions = registry.versions(model.name)
        _check_labels(model, versions)
        labels = {**registry.labels(model.name), "latest": registry.resolve(model.name, "latest")[1]}
        default = registry.resolve(model.name)[1]
        chosen = {labels.get(wanted, wanted) for wanted in model.versions} or {default}
        places = {version: registry.resolve(model.name, version)[0] for version in versions if version in chosen}
        for version in chosen - places.keys():
            registry.resolve(model.name, version)
    except UnknownModel as error:
        raise SettingsError(f"the repositories have no such model, version or label: {error}") from error
    except HeadraceError as error:
        # The repository's fault, not the settings': the other models serve.
        return Selected(model, {}, {}, "latest", {"latest": str(error)})
    sources: dict[str, ModelSource] = {}
    broken: dict[str, str] = {}
    for version, repository in places.items():
        try:
            manifest = repository.manifest(model.name, version)
        except LoadError as error:
            broken[version] = str(error)
            continue
        sources[version] = _source(repository.root, settings.cache_dir, manifest, model)
    if default not in places:
        default = list(places)[-1]
    served_labels = {label: version for label, version in labels.items() if version in places}
    return Selected(model, sources, served_labels, default, broken)


def _check_labels(model: options.Model, versions: list[str]) -> None:
    for label, version in model.labels.items():
        if label in versions:
            raise SettingsError(f"model '{model.name}': label '{label}' is also the name of a version")
        if version not in versions:
            known = ", ".join(versions)
            raise SettingsError(f"model '{model.name}': label '{label}' names version '{version}'; there is: {known}")


def _source(root: str, cache_dir: str, manifest: Manifest, model: options.Model) -> ModelSource:
    transform = partial(build_transform, manifest.preprocessing) if manifest.preprocessing is not None else None
    return ModelSource(root, cache_dir, manifest, model.files, transform)


def preprocessing_placement(model: options.Model, manifest: Manifest) -> PreprocessingPlacement | None:
    """Where a version's preprocessing runs; None: it has none.

    An image costs several times a hop to decode and needs processors, so it scales apart from a model on a GPU. Where
    both compute on the same processors, a deployment of its own would only add the hop, of which a tokeniser costs a
    tenth.
    """
    if manifest.preprocessing is None:
        return None
    if model.placement == "router":
        return "router"
    if model.preprocessing is not None:
        return model.preprocessing
    on_gpu = any(pool.device == "gpu" for pool in model.pools)
    return "own" if on_gpu and isinstance(manifest.preprocessing, ImageSpec) else "replica"


def describe_served(source: ModelSource, versions: tuple[str, ...]) -> ServedModel:
    """Say what callers may know of a version; reads the files of class names."""
    manifest = source.manifest
    metadata = manifest.metadata
    properties = {"description": metadata.description, "licence": metadata.licence, "source": metadata.source}
    properties.update({f"metric_{name}": f"{value:g}" for name, value in metadata.metrics.items()})
    encoded = isinstance(manifest.preprocessing, ImageSpec)
    return ServedModel(
        name=manifest.name,
        version=manifest.version,
        versions=versions,
        platform=f"headrace_{manifest.backend}",
        inputs={spec.name: spec for spec in manifest.input_specs},
        outputs={spec.name: spec for spec in manifest.output_specs},
        class_labels={spec.name: _class_names(source, spec.labels) for spec in manifest.output_specs if spec.labels},
        encoded_inputs=frozenset({manifest.preprocessing.input}) if encoded and manifest.preprocessing else frozenset(),
        properties={name: value for name, value in properties.items() if value},
    )


def _class_names(source: ModelSource, entry: str) -> tuple[str, ...]:
    try:
        return tuple(source.fetch(entry)[entry].read_text("utf-8", errors="replace").splitlines())
    except LoadError:
        return ()  # the replica's own load fails on the same file and says so
