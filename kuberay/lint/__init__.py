"""Findings over settings and manifests, without a cluster: what the API server, the operator and Serve would refuse,
and what they would take and silently do nothing about.

A rule is a small pure function over a parsed document and the documents beside it (`rules/`); facts of the CRDs and of
Serve's config are data (`schema/`). What a change does to a live cluster belongs in `kuberay.plan`.
"""
