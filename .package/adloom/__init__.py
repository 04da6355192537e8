"""The online loop that turns live clicks into personalised ads.

Raises ImportError where the folders of the package are missing: they are links in the repository,
and a copy that keeps no links installs without a word as a package with nothing in it.
"""

import os
from pathlib import Path

if not Path(__file__).with_name("loop").is_dir():
    raise ImportError(
        "adloom was installed from a copy of its repository that lost the links in .package; "
        "clone it with git (on Windows: git clone -c core.symlinks=true) and install that"
    )

# Bars of the libraries that read and write weights would stand between adloom's own lines. They
# look at this when they are imported.
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
