"""`advet policy`: look at a policy pack, check it, compare two, and try one on its own examples."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich_click as click
from rich.table import Table

from consumer.cli.options import category_option, settings_options
from consumer.cli.output import screen
from consumer.cli.policy_eval import eval_command
from consumer.errors import StartRefused
from consumer.policy.difference import differences
from consumer.policy.pack import PolicyPack, Rule, load_pack
from consumer.settings import Loaded
from schemas import Category

EXIT_PREFLIGHT = 4

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
pack_path = click.Path(exists=True, path_type=Path)


@click.group("policy")
def policy_group() -> None:
    """The law as data: check, show, compare and try a policy pack."""


@policy_group.command("check")
@json_option
@settings_options("policy")
def check(loaded: Loaded, as_json: bool) -> None:
    """Read the pack whole, and say its version and hash or the file, rule and reason why it is refused.

    Exit status 4 when it is refused; `advet policy test` tries its examples.
    """
    try:
        pack = load_pack(loaded.settings.policy.pack)
    except StartRefused as error:
        if as_json:
            click.echo(json.dumps({"ok": False, "problem": str(error)}, ensure_ascii=False))
            raise SystemExit(EXIT_PREFLIGHT) from error
        raise
    unverified = sum(not basis.verified for rule in pack.rules for basis in rule.basis)
    facts = {**_facts(pack), "unverified_citations": unverified}
    if as_json:
        click.echo(json.dumps({"ok": True, **facts}, ensure_ascii=False))
    else:
        click.echo(
            f"ok: version {pack.version} of {pack.jurisdiction}, {len(pack.rules)} rules, sha256 {pack.sha256[:16]}; "
            f"{unverified} citations are not verified"
        )


@policy_group.command("show")
@click.argument("rule_ids", nargs=-1, metavar="[RULE]...")
@category_option
@json_option
@settings_options("policy")
def show(loaded: Loaded, rule_ids: tuple[str, ...], category: str | None, as_json: bool) -> None:
    """Print the pack's rules in one line each, or the named ones (G01 M12 …) with all they say."""
    pack = load_pack(loaded.settings.policy.pack)
    unknown = [rule_id for rule_id in rule_ids if rule_id not in {rule.id for rule in pack.rules}]
    if unknown:
        raise click.UsageError(f"no rule {', '.join(unknown)}; the pack has {', '.join(r.id for r in pack.rules)}")
    among = pack.rules_for(Category(category)) if category else pack.rules
    rules = [rule for rule in among if not rule_ids or rule.id in rule_ids]
    if as_json:
        click.echo(json.dumps({**_facts(pack), "rules": [_plain(rule) for rule in rules]}, ensure_ascii=False))
    elif rule_ids:
        for rule in rules:
            _print_fields(rule)
    else:
        table = Table("rule", "severity", "kind", "what it forbids or demands", box=None, pad_edge=False)
        for rule in rules:
            table.add_row(rule.id, rule.severity.value, rule.kind, rule.gist)
        screen().print(table)


@policy_group.command("diff")
@click.argument("old", type=pack_path)
@click.argument("new", type=pack_path, required=False)
@json_option
def diff(old: Path, new: Path | None, as_json: bool) -> None:
    """Say what changed from pack OLD to pack NEW (the one that ships, if left out). Exit status 1 if anything did."""
    before, after = load_pack(old), load_pack(new)
    found = list(differences(before, after))
    if as_json:
        rows = [asdict(one) for one in found]
        click.echo(json.dumps({"old": _facts(before), "new": _facts(after), "differences": rows}, ensure_ascii=False))
    for one in () if as_json else found:
        click.echo(f"{one.rule_id or 'pack'} {one.field}")
        for sign, entries in (("-", one.removed), ("+", one.added)):
            for entry in entries:
                click.echo(f"  {sign} {entry}")
    if found:
        raise SystemExit(1)


@policy_group.command("test")
@json_option
@settings_options("policy")
def test(loaded: Loaded, as_json: bool) -> None:
    """Try every rule that words decide on its own examples. Exit status 1 if one is missed or a trap is caught."""
    from consumer.screening.examples import try_examples  # late: what it needs is an extra
    from consumer.screening.matcher import Matcher
    from consumer.screening.missing import RequiredStatements

    pack = load_pack(loaded.settings.policy.pack)
    examples = list(try_examples(pack, Matcher(pack), RequiredStatements(pack)))
    wrong = [example for example in examples if not example.holds]
    if as_json:
        rows = [{"rule": one.rule_id, "phrase": one.phrase, "wanted": one.wanted} for one in wrong]
        facts = {"ok": not wrong, **_facts(pack), "examples": len(examples), "wrong": rows}
        click.echo(json.dumps(facts, ensure_ascii=False))
    else:
        for one in wrong:
            click.echo(f"bad  {one.rule_id}: {'not found' if one.wanted else 'found, a trap'}: {one.phrase!r}")
        tried = len({example.rule_id for example in examples})
        click.echo(f"{len(examples) - len(wrong)} of {len(examples)} examples of {tried} rules hold")
    if wrong:
        raise SystemExit(1)


policy_group.add_command(eval_command)


def _facts(pack: PolicyPack) -> dict[str, Any]:
    return {"version": pack.version, "jurisdiction": pack.jurisdiction, "sha256": pack.sha256}


def _plain(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(mode="json", exclude_defaults=True)


def _print_fields(rule: Rule) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in _plain(rule).items():
        entries = value if isinstance(value, list) else [value]
        plain = [entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False) for entry in entries]
        table.add_row(name, "\n".join(plain))
    screen().print(table, markup=False, highlight=False)
