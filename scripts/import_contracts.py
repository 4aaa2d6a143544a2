"""A contract for import-linter: some modules may import only these, and the stdlib.

Its own ``forbidden`` contract needs a list of what is forbidden, which a new dependency
would not be on. This one names what is allowed, so everything else is refused.
"""

from __future__ import annotations

import re
import sys
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """The modules import nothing directly but what is allowed.

    In a name ``*`` stands for one part, and ``**`` for one part or more.
    """

    type_name = "only"

    modules = fields.SetField(subfield=fields.StringField())
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 - import-linter's signature
        """Look at every direct import of the modules."""
        checked = _any_of(cast("set[str]", self.modules))
        allowed = _any_of(cast("set[str]", self.allowed))
        violations = [
            (importer, imported, detail["line_number"])
            for importer in sorted(filter(checked.fullmatch, graph.modules))
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if imported.partition(".")[0] not in sys.stdlib_module_names
            and not allowed.fullmatch(imported)
            for detail in graph.get_import_details(importer=importer, imported=imported)
        ]
        return ContractCheck(kept=not violations, metadata={"violations": violations})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print a line per import that is not allowed."""
        for importer, imported, line in check.metadata["violations"]:
            output.print_error(f"- {importer} imports {imported} (l.{line})", bold=True)


def _any_of(expressions: set[str]) -> re.Pattern[str]:
    wildcards = {"*": r"[^.]+", "**": r"[^.]+(?:\.[^.]+)*"}
    alternatives = (
        r"\.".join(wildcards.get(p) or re.escape(p) for p in expression.split("."))
        for expression in sorted(expressions)
    )
    return re.compile("|".join(alternatives))
