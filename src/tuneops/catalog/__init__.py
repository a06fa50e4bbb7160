"""What is known of the service's models: methods, adapter sizes, regions, limits, prices, dates.

Data and its readers, nothing else; of tuneops it imports the places of findings only. `models.yaml`
is what people edit; `models.json` is made from it, since reading YAML takes eight times as long.
The service publishes none of this in a form that a program can read, and its pages disagree, so
that every row says where it is from. A row that is not `confirmed` may warn and may estimate; it
never stops a create.
"""
