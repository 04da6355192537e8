"""How good generated ads are: background likeness, text overlap, distance of distributions."""
