"""From a feed file to products, row by row.

`reading.read_feed` is the door: it opens a file or folder of any format (files, encodings,
delimited, jsonlines, xml, parquet), finds attributes in the feed's own names (columns), and makes
each row a product (parsing). What cannot be a product is refused alone, with line and reason.
"""
