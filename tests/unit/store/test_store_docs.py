"""The reference of the store names every table and column, and no others."""

import re
from pathlib import Path

from alembic.script import ScriptDirectory

from grms.store import migrations
from grms.store.schema import metadata

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "store.md"


def test_every_column_is_documented_in_order():
    documented = {}
    for section in PAGE.read_text("utf-8").split("\n## ")[1:]:
        table, _, body = section.partition("\n")
        rows = re.findall(r"^\| (\w+) \| (.+) \|$", body, re.MULTILINE)
        documented[table] = [name for name, _ in rows if name != "column"]
    assert documented == {
        name: [column.name for column in table.columns] for name, table in metadata.tables.items()
    }


def test_the_newest_revision_is_the_one_the_code_names():
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_current_head() == migrations.HEAD
