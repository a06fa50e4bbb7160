"""What a plan would cost, what was spent, and what a workspace's rules say to it.

A pure pass over a plan that is made already: it adds prices and says what may not be bought now,
and never changes what is desired, in which order it is made, or why. It may import `core` and the
model table of `catalog`. Money is US dollars as decimals, always a range: there is no offline
tokenizer, and a job's bill is known only by its tokens, once it has read its data.
"""
