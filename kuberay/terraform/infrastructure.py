"""All documents of one cluster, and whether a folder holds just these."""

from __future__ import annotations

from pathlib import Path

from kuberay.settings import ClusterSettings
from kuberay.terraform.access import access
from kuberay.terraform.alarms import alarms
from kuberay.terraform.autoscaler import autoscaler
from kuberay.terraform.charts import charts
from kuberay.terraform.cluster import cluster
from kuberay.terraform.document import InfrastructureError, to_text
from kuberay.terraform.network import network
from kuberay.terraform.node_groups import node_groups
from kuberay.terraform.providers import providers
from kuberay.terraform.registry import registry
from kuberay.terraform.storage import storage

SUFFIX = ".tf.json"
"""Files of other names in the folder, such as a backend of the user's own, are nobody's business here."""


def render(settings: ClusterSettings) -> dict[str, str]:
    """Make every file.

    Returns:
        File name to its text; documents that these settings leave empty are left out.

    Raises:
        InfrastructureError: The settings are not of EKS, or something in them cannot be made there.
    """
    if settings.provider != "eks":
        raise InfrastructureError(f"provider: Terraform is made for eks only, these settings say {settings.provider}")
    documents = {
        "providers": providers(settings),
        "network": network(settings),
        "cluster": cluster(settings),
        "access": access(settings),
        "nodes": node_groups(settings),
        "autoscaler": autoscaler(settings),
        "charts": charts(settings),
        "registry": registry(settings),
        "storage": storage(settings),
        "alarms": alarms(settings),
    }
    return {f"{name}{SUFFIX}": to_text(document) for name, document in documents.items() if document}


def drift(folder: Path, files: dict[str, str]) -> list[str]:
    """Compare a folder with what the settings make.

    Returns:
        One sentence for each file that is missing, differs, or is left over.
    """
    found = {path.name: path.read_text() for path in sorted(folder.glob(f"*{SUFFIX}"))}
    said = [f"{folder / name}: missing" for name in files if name not in found]
    said += [
        f"{folder / name}: differs from the settings" for name in files if found.get(name, files[name]) != files[name]
    ]
    said += [f"{folder / name}: the settings make no such file" for name in found if name not in files]
    return said


def write(folder: Path, files: dict[str, str]) -> None:
    """Write the files, and delete what an earlier render left that these settings do not make."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"*{SUFFIX}"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)
