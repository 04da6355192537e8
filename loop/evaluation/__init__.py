"""Is it the history that makes the ads fit?"""
