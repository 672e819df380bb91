"""Runs a scaling policy against recorded arrivals in virtual time, request by request.

arrivals.py   counts by second -> instants
service.py    how long a batch takes, and how long a replica starts
fleet.py      replicas, the queue before them, and what becomes of each request
"""
