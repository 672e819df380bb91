"""Backend `exported`: a graph that `torch.export.save` wrote (`.pt2`).

`torch.export.load` by itself is not safe: see `models.backends.pt2`, which checks an archive before torch sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import torch

from models.backends.archive import Archive
from models.backends.pt2 import checked
from models.backends.torch_run import Call, TorchModel, check_device
from models.backends.weights import weights_file
from models.errors import FileError
from models.manifest import Manifest
from models.model import Compute


def load(manifest: Manifest, files: Mapping[str, Path], compute: Compute) -> TorchModel:
    """Load the graph; its type is the file's.

    A graph exported with keyword arguments takes the manifest's model inputs by name, any other in order.

    Raises: as `models.backends.loader.load_model`.
    """
    path, shown = weights_file(manifest, files)
    archive = checked(Archive.read(path, shown), shown)
    version = f"{manifest.name}/{manifest.version}"
    torch.set_num_threads(compute.num_threads)
    check_device(compute.device, version)
    try:
        program = torch.export.load(BytesIO(archive.rewritten()))
        if torch.device(compute.device).type != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, compute.device)
        # Guards would be code from the file, which torch runs. Shapes are checked by a hook all the same.
        module = program.module(check_guards=False)
    except Exception as error:  # torch raises anything from KeyError to AssertionError on an archive it does not like
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        saved = archive.records.get("models/model.json", b"")
        by = "" if f'"{torch.__version__}"'.encode() in saved else " (a file of another torch version: export it again)"
        raise FileError(shown, f"torch.export.load refuses it{by}: {reason}") from error
    call_spec = program.call_spec.in_spec
    keywords = list(call_spec.child(1).context) if call_spec is not None else []
    names = [spec.name for spec in manifest.model_input_specs]
    call: Call = lambda tensors: module(*tensors)  # noqa: E731
    if keywords:
        if set(keywords) != set(names):
            raise FileError(shown, f"was exported with the keyword arguments {keywords}; the manifest declares {names}")
        call = lambda tensors: module(**dict(zip(names, tensors, strict=True)))  # noqa: E731
    return TorchModel(manifest, compute, module, call)
