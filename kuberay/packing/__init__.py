"""Whether every replica finds a node, before any node is paid for: pure, no Ray, no Kubernetes.

What belongs here: Ray's arithmetic of nodes, its autoscaler's and its schedulers' order, the proof for every order, and
the sentences about them. What does not: settings, manifests, and anything that looks at a live cluster.

What a packing says and what it guarantees:

- Nothing is pending: Ray reaches a placement of every replica by its own steps. The nodes of the minimum are there,
  Serve hands out replicas deployment by deployment (SPREAD, or PACK where it is switched on), what finds no node is
  the demand that Ray's autoscaler sees, and its nodes come until it asks for no more. No node and no single GPU holds
  more than it has. The order of nodes is that of their random ids, and what waits is served by shape: so the same is
  tried in random orders as well, and what waits in one of them is pending.
- No doubt beside it: no order of starts, no history of scaling up and down and no choice of nodes can leave a replica
  of that deployment without a place, as long as the groups' nodes can be had. It is proven with a bound that errs to
  the safe side, so a doubt may stand where a longer proof would remove it.
- What nobody here can promise: that the provider has the machines, and that nothing but Serve asks Ray for resources.
"""
