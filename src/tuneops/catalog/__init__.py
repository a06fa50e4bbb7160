"""What is known of the service's models: methods, adapter sizes, regions, limits, prices, dates.

Data and its readers, nothing else; it imports nothing of tuneops. The service publishes none of
this in a form that a program can read, and its pages disagree, so that every row says where it is
from. A row that is not `confirmed` may warn and may estimate; it never stops a create.
"""
