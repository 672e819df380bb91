"""Manifests from cluster settings and the platform's Serve config: plain dictionaries, and files of commented YAML.

One file for each concern (the service, its pods, its drain, access, storage, monitoring); pure but for `write.py`,
which reads and writes the files. What speaks to a cluster belongs in `kuberay.cluster`, what judges in `kuberay.lint`.
"""
