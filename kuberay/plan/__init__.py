"""What will happen, in words, before anything is applied: two sets of manifests compared, and every replica packed.

What belongs here: the rules by which KubeRay and Serve take a change, each with its reason, and the words for them.
What does not: making manifests (`kuberay.render`), applying them, and the packing itself (`kuberay.packing`).
The comparison is a pure function of two lists of plain dicts; only `planning` and `sources` read files and clusters.
"""
