"""Which releases the infrastructure is made of: each raised by hand, together with what depends on it."""

from __future__ import annotations

TERRAFORM = ">= 1.9"

PROVIDERS = {
    "aws": ("hashicorp/aws", "6.66.0"),
    "helm": ("hashicorp/helm", "3.1.1"),
    "kubernetes": ("hashicorp/kubernetes", "2.38.0"),
}

KUBERNETES = "1.35"
"""In EKS's standard support until March 2027. The chart below brings the autoscaler of the same minor version."""

CLUSTER_AUTOSCALER_CHART = "9.59.0"
NVIDIA_DEVICE_PLUGIN_CHART = "0.19.3"
PROMETHEUS_CHART = "88.1.3"
