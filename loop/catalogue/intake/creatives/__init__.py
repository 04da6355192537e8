"""Ads that the shop had, into the store of creatives."""
