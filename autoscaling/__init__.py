"""How many replicas each deployment gets: policies, demand signals, forecasts, the optimizer and the simulator.

A policy is a pure function of what the replicas report, with the clock passed in, so the same code runs in the Serve
controller and in the simulator. Serve pickles a policy by value and its package with it: `autoscaling.policy` imports
the standard library and numpy only. Measuring demand belongs in the replicas (`serve_app`), adding machines in
`kuberay`.
"""
