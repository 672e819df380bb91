"""How many replicas each deployment gets: policies, demand signals, forecasts, the optimizer and the simulator.

A policy is a pure function of what the replicas report, with the clock passed in, so the same code runs in the Serve
controller and in the simulator. Serve pickles policies by value: each is a single leaf file that needs the standard
library only. Measuring demand belongs in the replicas (`serve_app`), adding machines in `kuberay`.
"""
