"""What the test of the split found, in a sentence: table, page and JSON say the same."""

from __future__ import annotations

from adloom.loop.statistics.split import SplitCheck

BAD_SPLIT_P = 0.01  # over all looks together, as a fixed test at 0.001 has in some dozens of looks


def split_sentence(split: SplitCheck, users: int) -> str:
    """What was found, and of what; `users` is how many were dealt an arm."""
    if not users:
        return "The split is not tested yet: no user was dealt an arm."
    found = (
        f"p = {split.p_value:.3g} over all looks (of users p = {split.users:.3g}, of ads "
        f"p = {split.exposures:.3g}, of ads a user p = {split.exposures_a_user:.3g})"
    )
    if is_bad(split):
        return f"The split is not as defined, {found}: {why_bad(split)}."
    return f"Nothing speaks against the split as it is defined, {found}."


def is_bad(split: SplitCheck) -> bool:
    """Whether no rate can be trusted."""
    return split.p_value < BAD_SPLIT_P


def why_bad(split: SplitCheck) -> str:
    """What a bad split is a sign of."""
    if split.users <= min(split.exposures, split.exposures_a_user):
        return "the arms were not dealt as their shares say"
    return (
        "one arm has too few ads for its users: they are lost, or the other brings its users "
        "back more often"
    )
