"""The typed, strict form of `model.yaml`: what a model version is, takes, gives and needs.

A version is immutable: every file is named with its sha256, and the manifest says nothing about where or how often
it runs (that is the platform's settings).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from models.errors import ManifestError
from models.model import Precision
from models.tensor import Datatype, TensorSpec

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Dimension = Annotated[int, Field(ge=-1, le=2**31 - 1)]


class Strict(BaseModel):
    """Frozen, and an unknown key is an error; so is a number that is none or has no end, which JSON cannot carry."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class File(Strict):
    """One file of the version, checked by content.

    `uri` is a path relative to the version's folder, `package://<package>/<path inside it>` for a file that an
    installed Python package carries, or any fsspec URL.
    """

    uri: str
    sha256: Sha256


class Tensor(Strict):
    """One declared input or output: see `models.tensor.TensorSpec`."""

    name: Name
    datatype: Datatype
    shape: tuple[Dimension, ...] = Field(min_length=1)
    labels: str | None = Field(None, description="Entry of `files`: one class name a line, for the last axis.")

    @field_validator("shape")
    @classmethod
    def _batch_axis_is_free(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if shape[0] != -1:
            raise ValueError("axis 0 is the batch axis and must be -1")
        return shape

    @property
    def spec(self) -> TensorSpec:
        """The same as a value that pickles and checks arrays."""
        return TensorSpec(self.name, self.datatype, self.shape, self.labels)


class TokenizeSpec(Strict):
    """Text to token ids: BYTES [-1] -> `input_ids` INT32 [-1, longest], `lengths` INT32 [-1]."""

    kind: Literal["tokenize"]
    input: Name
    tokenizer: str = Field(description="Entry of `files`: a Hugging Face `tokenizer.json`.")
    max_tokens: int = Field(512, ge=2, description="Longer texts are cut here, special tokens included.")

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What the model gets in place of the input."""
        return (TensorSpec("input_ids", "INT32", (-1, -1)), TensorSpec("lengths", "INT32", (-1,)))


class ImageSpec(Strict):
    """Encoded image to pixels: BYTES [-1] (JPEG, PNG, WebP) -> `pixels` UINT8 [-1, size, size, 3], RGB."""

    kind: Literal["image"]
    input: Name
    size: int = Field(224, ge=1, le=4096, description="Side of the square that the model takes, pixels.")
    resize: int = Field(256, ge=1, le=8192, description="Shorter side before the centre crop, pixels.")
    max_megapixels: int = Field(50, ge=1, description="A larger image is refused before it is decoded.")

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What the model gets in place of the input."""
        return (TensorSpec("pixels", "UINT8", (-1, self.size, self.size, 3)),)


Preprocessing = Annotated[TokenizeSpec | ImageSpec, Field(discriminator="kind")]


class Batching(Strict):
    """Limits of one batch on the device; what the model version can take, whatever the pool."""

    max_rows: int = Field(32, ge=1, le=65536, description="Rows in one batch.")
    max_elements: int | None = Field(
        None, ge=1, description="Rows times the longest row's length (tokens) in one batch; None: not limited."
    )
    packed: bool = Field(
        False,
        description="The model computes real elements alone: rows of all lengths share a batch, and these are counted.",
    )
    length_buckets: tuple[int, ...] = Field(
        (), description="Upper bounds of the length classes that are batched together; empty: powers of two."
    )

    @field_validator("length_buckets")
    @classmethod
    def _rising(cls, buckets: tuple[int, ...]) -> tuple[int, ...]:
        if any(b <= a for a, b in zip((0, *buckets), buckets, strict=False)):
            raise ValueError("must be positive and rise")
        return buckets

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.packed and self.length_buckets:
            raise ValueError("length_buckets keep padding small, and a packed model has none: leave them away")
        return self


class ComputeSpec(Strict):
    """What the version allows and gains from; the pool chooses within it."""

    precisions: tuple[Precision, ...] = Field(("fp32",), min_length=1, description="Allowed; the first is the default.")
    channels_last: bool = Field(False, description="Convolutions gain from channels-last weights.")


class SampleFile(Strict):
    """A warm-up value taken from a file of the version, for BYTES inputs."""

    file: str


class Sample(Strict):
    """One warm-up request: input name to nested list, or for BYTES to strings and files."""

    inputs: dict[str, list[Any]] = Field(min_length=1)


class Metadata(Strict):
    """For people; nothing here changes how the model runs."""

    description: str = ""
    licence: str = ""
    source: str = ""
    metrics: dict[str, float] = Field(default_factory=dict, description="Measured quality: name to value.")


class Manifest(Strict):
    """One model version."""

    name: Name
    version: Name
    backend: Literal["torch_module", "torchscript", "exported", "onnx", "echo"]
    architecture: str | None = Field(
        None, description="torch_module: a module of `models.architectures`, or `package.module` of an installed one."
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="Passed to the architecture's `build`.")
    weights: str | None = Field(None, description="Entry of `files` that the backend loads.")
    files: dict[str, File] = Field(default_factory=dict)
    inputs: tuple[Tensor, ...] = Field(min_length=1)
    outputs: tuple[Tensor, ...] = Field(min_length=1)
    preprocessing: Preprocessing | None = None
    batching: Batching = Batching()
    compute: ComputeSpec = ComputeSpec()
    warm_up: tuple[Sample, ...] = ()
    metadata: Metadata = Metadata()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if (self.backend == "torch_module") != (self.architecture is not None):
            raise ValueError("`architecture` is needed by backend torch_module and by no other")
        if (self.backend == "echo") != (self.weights is None):
            raise ValueError("`weights` is needed by every backend but echo")
        for entry in self._file_references():
            if entry not in self.files:
                raise ValueError(f"'{entry}' is not an entry of `files` (it has: {', '.join(self.files) or 'none'})")
        for side in (self.inputs, self.outputs):
            names = [tensor.name for tensor in side]
            if len(set(names)) != len(names):
                raise ValueError(f"tensor names must differ: {names}")
        inputs = {tensor.name: tensor for tensor in self.inputs}
        if self.preprocessing is not None:
            fed = inputs.get(self.preprocessing.input)
            if fed is None or fed.datatype != "BYTES" or fed.shape != (-1,):
                raise ValueError(f"preprocessing takes '{self.preprocessing.input}', which must be a BYTES [-1] input")
        for sample in self.warm_up:
            if sample.inputs.keys() != inputs.keys():
                raise ValueError(f"a warm-up sample must give {sorted(inputs)}, got {sorted(sample.inputs)}")
        return self

    def _file_references(self) -> list[str]:
        references = [tensor.labels for tensor in (*self.inputs, *self.outputs)]
        references.append(self.weights)
        if isinstance(self.preprocessing, TokenizeSpec):
            references.append(self.preprocessing.tokenizer)
        for sample in self.warm_up:
            for values in sample.inputs.values():
                references.extend(value.get("file") for value in values if isinstance(value, dict))
        return [reference for reference in references if reference is not None]

    @property
    def input_specs(self) -> tuple[TensorSpec, ...]:
        """What a client sends."""
        return tuple(tensor.spec for tensor in self.inputs)

    @property
    def output_specs(self) -> tuple[TensorSpec, ...]:
        """What a client gets."""
        return tuple(tensor.spec for tensor in self.outputs)

    @property
    def model_input_specs(self) -> tuple[TensorSpec, ...]:
        """What the backend takes: the inputs, with the preprocessed one replaced by what it becomes."""
        if self.preprocessing is None:
            return self.input_specs
        kept = tuple(spec for spec in self.input_specs if spec.name != self.preprocessing.input)
        return (*self.preprocessing.outputs, *kept)

    @property
    def length_input(self) -> str | None:
        """Name of the backend input that holds each row's length, where rows are padded to the longest."""
        return "lengths" if isinstance(self.preprocessing, TokenizeSpec) else None

    @property
    def padded_input(self) -> str | None:
        """Name of the backend input whose axis 1 is padded to the longest row."""
        return "input_ids" if isinstance(self.preprocessing, TokenizeSpec) else None


def parse_manifest(text: str | bytes, path: str) -> Manifest:
    """Read a manifest.

    Args:
        text: The YAML.
        path: Where it came from, for the error.

    Raises:
        ManifestError: Not YAML, or not a manifest; names the key and says what is allowed.
    """
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not, such as 2026-13-45
        raise ManifestError(path, "is not YAML: " + " ".join(str(error).split())) from error
    if not isinstance(data, dict):
        raise ManifestError(path, "must be a mapping of keys")
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        raise ManifestError(path, describe(error)) from error


def describe(error: ValidationError) -> str:
    """Say in one line what pydantic found, key by key."""
    findings = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"]) or "as a whole"
        findings.append(f"{where}: {_what(item)}")
    return "; ".join(findings)


def _what(item: ErrorDetails) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown key"
    if item["type"] == "string_type" and isinstance(item["input"], (int, float)):
        return "is read as a number or a truth value; write it in quotes"  # a version above all: 1.10 would be 1.1
    return item["msg"].removeprefix("Value error, ")
