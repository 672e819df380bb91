"""How Headrace runs on Kubernetes: typed settings rendered to KubeRay manifests, planned, applied and awaited.

Node groups, monitoring and infrastructure definitions belong here as well. It runs from a checkout, next to the
cluster's credentials, and is never imported by a replica: what runs inside Ray Serve belongs in `serve_app`.
"""
