"""A real Chromium for tests of pages, driven by ChromeDriver: without them such tests are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


def chromium(profile: Path, size: str = "1300,1000") -> Iterator[Any]:
    """A browser with a profile of its own; where STEPGRAD_REQUIRE says chromium, its lack is a failure."""
    browser, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if browser is None or driver is None:
        reason = "needs Chromium and ChromeDriver on the PATH (Debian: chromium chromium-driver)"
        (pytest.fail if "chromium" in os.environ.get("STEPGRAD_REQUIRE", "") else pytest.skip)(reason)
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS.split(), f"--window-size={size}", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield found
    found.quit()


def calm(browser: Any) -> None:
    """No error stands in the console, and nothing was fetched."""
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)") == []
