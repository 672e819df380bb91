"""A CPU alarm for each group without GPUs, and the policy that it sets off: one node more, before a pod waits for it.

Ray's autoscaler asks for a pod when a replica waits, and the node comes one to three minutes later. CPUs that stay
busy tell of it earlier: the node that the alarm adds is there when the pod is. One that nothing needed goes by the
cluster autoscaler after ten minutes. Groups of GPUs have none, for their CPUs say nothing of their load.
"""

from __future__ import annotations

from kuberay.settings import ClusterSettings, NodeGroup
from kuberay.terraform.document import Document, expression
from kuberay.terraform.node_groups import scaling_group

_BUSY_PERCENT = 80
# EC2 measures every five minutes unless detailed monitoring is paid for.
_PERIOD_S = 300


def alarms(settings: ClusterSettings) -> Document:
    """Make alarms and policies; nothing where every group has GPUs."""
    groups = [group for group in settings.groups if not group.machine.gpus]
    if not groups:
        return {}
    return {
        "resource": {
            "aws_autoscaling_policy": {group.name: _policy(settings, group) for group in groups},
            "aws_cloudwatch_metric_alarm": {group.name: _alarm(settings, group) for group in groups},
        }
    }


def _policy(settings: ClusterSettings, group: NodeGroup) -> Document:
    return {
        "name": f"{settings.name}-{group.name}-cpu-busy",
        "autoscaling_group_name": scaling_group(group.name),
        "policy_type": "StepScaling",
        "adjustment_type": "ChangeInCapacity",
        # Until a new node is warm the alarm adds no other for the same load.
        "estimated_instance_warmup": round(group.provision_s),
        "step_adjustment": [{"scaling_adjustment": 1, "metric_interval_lower_bound": "0"}],
    }


def _alarm(settings: ClusterSettings, group: NodeGroup) -> Document:
    return {
        "alarm_name": f"{settings.name}-{group.name}-cpu-busy",
        "alarm_description": f"CPUs of the group {group.name} were busier than {_BUSY_PERCENT} % for five minutes",
        "namespace": "AWS/EC2",
        "metric_name": "CPUUtilization",
        "dimensions": {"AutoScalingGroupName": scaling_group(group.name)},
        "statistic": "Average",
        "comparison_operator": "GreaterThanThreshold",
        "threshold": _BUSY_PERCENT,
        "period": _PERIOD_S,
        "evaluation_periods": 1,
        # A group without nodes measures nothing, and that is no alarm.
        "treat_missing_data": "notBreaching",
        "alarm_actions": expression(f"concat([aws_autoscaling_policy.{group.name}.arn], var.alarm_topics)"),
    }
