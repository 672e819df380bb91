"""What the CRDs and Serve's config allow, field by field: two compact files, made by `digest` from their sources.

Descriptions are left out; what a rule says of a field is said in `kuberay.lint.rules`.
"""
