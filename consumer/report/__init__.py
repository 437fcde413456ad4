"""A picture of a span of time, from a Prometheus or from running consumers, as one page that needs no network.

`window` is the time asked for; `prometheus` and `ring` read it; `series` adds up, pure; `panels` says what is shown
and `summary` what it means, in words; `page` draws it.
"""
