"""Titles in any language: what they may say, how they are kept to it, and how they are checked."""
