"""The rights that Terraform gives `deploy_roles` are what a roll-out asks for: a gate before the server holds them."""

from __future__ import annotations

import json
from typing import Any

from kuberay.cluster.exits import Exit
from kuberay.settings import ClusterSettings, load_cluster_settings
from kuberay.terraform.infrastructure import render
from tests.kuberay.cluster.conftest import DEPLOY, NAMESPACE, Run, Session, prepare_for
from tests.kuberay.fake_api.api import Api
from tests.kuberay.fake_api.calls import APPLY, Call
from tests.kuberay.fake_api.errors import ApiError, forbidden
from tests.kuberay.fake_api.http import Gate
from tests.kuberay.fake_api.manifests import ray_service, worker_group

PROFILE = DEPLOY / "eks-cpu-gpu-spot" / "cluster.yaml"


def rights(namespace: str, api: Api) -> Gate:
    """Refuse what the rendered roles do not allow, as RBAC would."""
    settings = load_cluster_settings(PROFILE)
    settings = ClusterSettings.model_validate({**settings.model_dump(), "namespace": namespace})
    made = json.loads(render(settings)["access.tf.json"])["resource"]
    inside = made["kubernetes_role_v1"]["deploy"]["rule"]
    everywhere = made["kubernetes_cluster_role_v1"]["deploy"]["rule"]

    def gate(verb: str, call: Call) -> ApiError | None:
        rules = everywhere + (inside if call.namespace == namespace else [])
        # An apply of what is not there is also a creation.
        is_new = call.content_type == APPLY and api.store.get(call.key) is None
        for asked in [verb, "create"] if is_new else [verb]:
            if not any(_allows(rule, asked, call) for rule in rules):
                return forbidden("deploy", asked, call.kind.group, call.kind.plural, call.namespace, call.name)
        return None

    return gate


def _allows(rule: dict[str, Any], verb: str, call: Call) -> bool:
    resource = f"{call.kind.plural}/{call.subresource}" if call.subresource else call.kind.plural
    return (
        call.kind.group in rule["api_groups"]
        and resource in rule["resources"]
        and verb in rule["verbs"]
        and call.name in rule.get("resource_names", [call.name])
    )


def test_the_profile_is_planned_and_applied_with_them(run: Run, session: Session) -> None:
    prepare_for(session, PROFILE)
    session.cluster.gates.append(rights("headrace", session.cluster.api))
    planned = run("plan", PROFILE, "--live")
    assert (planned.exit_code, "forbidden" in planned.output) == (0, False), planned.output
    applied = run("apply", PROFILE)
    assert applied.exit_code == 0, applied.output
    assert "right" not in applied.output
    assert "Namespace headrace: " in applied.output
    assert run("status", "-n", "headrace", "--json").exit_code == 0


def test_a_service_is_rolled_out_changed_rolled_back_and_deleted_with_them(session: Session) -> None:
    session.cluster.gates.append(rights(NAMESPACE, session.cluster.api))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
    assert session.apply(ray_service(), wait=True) is Exit.DONE
    # Bounds alone are written to the live cluster too; what only this revision brings goes with the way back.
    wider = ray_service(groups=[worker_group("cpu", "ray:1") | {"maxReplicas": 9}])
    assert session.apply(wider, account, wait=True) is Exit.DONE
    assert session.rollback() is Exit.DONE
    assert session.delete() is Exit.DONE
    assert not [line for line in session.lines if "forbidden" in line or "right" in line]


def test_without_them_nothing_is_done(session: Session) -> None:
    session.cluster.gates.append(rights("another", session.cluster.api))
    assert session.apply(ray_service()) is Exit.REFUSED
