"""The live cluster: apply manifests, follow a rollout, tell its state, go back, delete.

What the API server says becomes a frozen `observe.Observation`; what it means is decided by pure functions (`verdict`,
`narrate`, `changes`, `preflight`, `revisions`), and only `client` and the loops around it speak to a server. How
manifests are made belongs in `kuberay.render`, what a change would do in `kuberay.plan`.
"""
