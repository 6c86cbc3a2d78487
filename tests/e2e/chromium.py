"""Debian's Chromium, if it is here."""

import shutil

CHROMIUM = shutil.which("chromium")
# Keeps the browser from looking for its maker's hosts.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]  # fmt: skip
