"""The rate an hour ahead, for floors and nodes; docs/autoscaling.md says how good it is.

rate_history.py  the rates of bins so far          predictors.py  what they say of the next hour, with ridge.py
mixture.py       weighs the predictors             margin.py      makes a bound of their mixture
trust.py         what the bound is worth           pending.py     a forecast until it has come
forecaster.py    all of them, bin by bin
"""
