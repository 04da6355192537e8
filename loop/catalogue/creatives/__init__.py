"""Ads: those that adloom drew, and those that the shop had."""
