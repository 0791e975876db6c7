"""The list of builds: what is in it, what is not, and what a damaged one does."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from singleshot.runtime.engines.ledger import add_to_ledger, is_in_ledger, ledger_path
from singleshot.runtime.errors import InputError


def test_folder_is_that_of_xdg_or_of_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert ledger_path() == tmp_path / "singleshot" / "builds.jsonl"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for relative in ("", "not/absolute"):
        monkeypatch.setenv("XDG_STATE_HOME", relative)
        assert ledger_path() == tmp_path / "home" / ".local" / "state" / "singleshot" / "builds.jsonl"


def test_what_was_added_is_in_it_and_nothing_else(tmp_path: Path) -> None:
    assert not is_in_ledger("a" * 64)
    add_to_ledger("a" * 64, tmp_path / "x.engine")
    add_to_ledger("b" * 64, tmp_path / "y.engine")
    assert is_in_ledger("a" * 64)
    assert is_in_ledger("b" * 64)
    assert not is_in_ledger("c" * 64)
    first = json.loads(ledger_path().read_text().splitlines()[0])
    assert (first["plan_sha256"], first["engine"]) == ("a" * 64, str(tmp_path / "x.engine"))
    assert ledger_path().stat().st_mode & 0o077 == 0


def test_lines_that_cannot_be_read_count_for_nothing(tmp_path: Path) -> None:
    ledger_path().parent.mkdir(parents=True)
    ledger_path().write_bytes(b'\xff\n[1]\n{}\n{"plan_sha256": "' + b"a" * 20)  # the last one was cut off
    add_to_ledger("b" * 64, tmp_path / "x.engine")
    assert is_in_ledger("b" * 64)
    assert not is_in_ledger("a" * 20)


def test_appends_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=add_to_ledger, args=(f"{number:064}", tmp_path / "x.engine")) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(is_in_ledger(f"{number:064}") for number in range(8))


@pytest.mark.skipif(os.name == "nt", reason="a file in a folder's place is another error there")
def test_ledger_that_cannot_be_written_names_what_mends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"expected a list of builds that can be written to.*XDG_STATE_HOME"):
        add_to_ledger("a" * 64, tmp_path / "x.engine")
    assert not is_in_ledger("a" * 64)
