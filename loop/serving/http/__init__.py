"""The HTTP interface of the ad server."""
