"""What counts as an answer: how our requests travel, are repeated and are read.

Google's two services are siblings and share only this: strict decoding, the shape of a refusal,
and the patience of reads. It decides when something read may be believed, and never what it
means. It imports `errors` and nothing else of the house; `vertex` and `gcs` import it.
"""
