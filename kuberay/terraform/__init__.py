"""The machines under the platform, from the same cluster settings as its manifests: Terraform for EKS, as `.tf.json`.

One file of Terraform for each file here, which a function from settings to a document makes. They are plain resources
and no registry modules: what a test reads is what will be made, and only the providers' versions are to be pinned.
What runs inside the cluster (the platform itself) belongs in `kuberay.render`; only what the platform's manifests need
to find there (the operator, device plugins, the autoscaler of nodes) is installed from here.
"""
