"""Expressions of admission compiled: checked with Kubernetes' types, and run on plain JSON in the evaluator's words.

What the compiler refuses is refused with upstream's texts. A compiled expression keeps nothing of a request.
Source: apiserver pkg/admission/plugin/cel/compile.go, pkg/cel/environment/base.go.
"""

from __future__ import annotations

import contextlib
import functools
import math
import re
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kube46.apiserver.customresources.rule_engine import Compiled as Checked
from kube46.apiserver.customresources.rule_engine import (
    EvaluationProblem,
    OutOfBudget,
    RuleProblem,
    check_budget,
    extensions,
    outcome,
    words,
)
from kube46.apiserver.customresources.rule_functions import CLOCK
from kube46.apiserver.expressions import functions, types
from kube46.apiserver.expressions.rewriting import Rewritten, composed, flat, needed, rewritten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


Object = dict[str, Any]
ANY = "any"
NAMES = ("object", "oldObject", "request", "namespaceObject", "params", "authorizer")
COMPILED = 1024  # expressions kept
UNDECLARED = re.compile(
    r"ERROR: <input>:(?P<line>\d+):(?P<column>\d+): undeclared reference to '(?P<name>[\w.]+)' \(in container ''\)"
    r"\n \| (?P<text>.*)\n \| \.*\^"
)
MAP_INSERT = b"cel.@mapInsert"
WORDINGS = (
    (re.compile("divide by zero"), "division by zero"),
    (re.compile("modulus by zero"), "modulus by zero"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile(r"cannot convert (\w+) to (\w+)"), r"type conversion error from '\1' to '\2'"),
)
STRUCT = re.compile(r" not found in struct '[^'\n]*'")


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may name beside `object`, `oldObject`, `request` and `namespaceObject`."""

    params: bool = False
    authorizer: bool = False
    patches: bool = False  # whether it may construct objects and patches


@dataclass(frozen=True, slots=True)
class Variable:
    """A composed variable: its own text, and its type as the compiler knows it."""

    text: Rewritten
    kind: str


@dataclass(slots=True)
class Variables:
    """The variables of one policy, in their order; None of an expression that knows none at all."""

    known: dict[str, Variable] = field(default_factory=dict)

    def add(self, name: str, expression: str, scope: Scope) -> None:
        """Let the next expressions name it; raises RuleProblem when it can't be compiled, and keeps it as it is."""
        try:
            kind = types.of_result(check(expression, (ANY,), scope, self))
        except RuleProblem:
            self.known[name] = Variable(rewritten(expression), "dyn")
            raise
        self.known[name] = Variable(rewritten(expression), kind)

    def tried(self, name: str, expression: str, scope: Scope) -> None:
        """The same of one that was compiled when it was stored: if it can't be now, whoever names it fails."""
        with contextlib.suppress(RuleProblem):
            self.add(name, expression, scope)


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression."""

    expression: str
    compiled: Checked
    variables: Mapping[str, Checked] = field(default_factory=dict)  # what it needs, each by itself, to tell who failed

    def run(self, values: Mapping[str, Any], ask: Any = None, deadline: float = math.inf) -> Any:
        """The value; raises EvaluationProblem with upstream's text, and OutOfBudget."""
        try:
            return _run(self.compiled, values, ask, deadline)
        except EvaluationProblem as problem:
            text = self._blamed(str(problem), values, ask, deadline)
            raise EvaluationProblem(f"expression '{self.expression}' resulted in error: {text}") from None

    def _blamed(self, problem: str, values: Mapping[str, Any], ask: Any, deadline: float) -> str:
        """The problem, and through which variables it came."""
        found = go_words(problem)
        for name, variable in self.variables.items():
            try:
                _run(variable, values, ask, deadline)
            except EvaluationProblem as own:
                if str(own) == problem:
                    found = f'composited variable "{name}" fails to evaluate: {found}'
        return found


def _run(compiled: Checked, values: Mapping[str, Any], ask: Any, deadline: float) -> Any:
    data = {name: values.get(name) for name in NAMES}
    check_budget(compiled, data)
    before = functions.ASKED.decide
    CLOCK.deadline, functions.ASKED.decide, functions.ASKED.left = deadline, ask, functions.MOST_CHECKS
    try:
        found = compiled.program.eval(data=data)
    except RuntimeError as error:
        if "budget" in str(error):
            raise OutOfBudget from None
        raise EvaluationProblem(words(error)) from None
    finally:
        functions.ASKED.decide = before
    if time.monotonic() > deadline:
        raise OutOfBudget
    return outcome(found)


def program(expression: str, returns: Sequence[str], scope: Scope, variables: Variables | None = None) -> Program:
    """An expression that returns one of these types; raises RuleProblem with the detail of upstream's error."""
    check(expression, returns, scope, variables)
    known = {name: variable.text for name, variable in (variables.known if variables else {}).items()}
    body = rewritten(expression, constructs=scope.patches)
    whole = compiled(composed(body, known))
    return Program(
        expression, whole, {name: compiled(composed(known[name], known)) for name in needed(body.variables, known)}
    )


def check(expression: str, returns: Sequence[str], scope: Scope, variables: Variables | None = None) -> str:
    """The evaluator's name of the type that an expression returns; raises RuleProblem."""
    made = rewritten(expression, constructs=scope.patches)
    shown = tuple((name, tuple(sorted(fields))) for name, fields in made.types.items())
    own = None if variables is None else tuple((name, one.kind) for name, one in variables.known.items())
    environment = _checking(scope, shown, own)
    try:
        found = returned(environment, made)
    except RuleProblem as problem:
        raise RuleProblem(f"compilation failed: {problem}") from None
    if ANY not in returns and type_name(found) not in returns:
        several = " ".join(returns)
        wanted = f"one of [{several}]" if len(returns) > 1 else several
        raise RuleProblem(f"must evaluate to {wanted} but got {_named(type_name(found), made)}")
    return found


def returned(environment: Any, made: Rewritten) -> str:
    """The evaluator's name of the type that an expression returns; raises RuleProblem with the compiler's words."""
    try:
        return str(environment.compile(made.checked).return_type().name())
    except RuntimeError as error:
        raise RuleProblem(_compiler_words(error, made)) from None


def _compiler_words(error: RuntimeError, made: Rewritten) -> str:
    """What is wrong, as Go's compiler words it."""
    return _named(UNDECLARED.sub(_undeclared, STRUCT.sub("", words(error))), made)


def _named(text: str, made: Rewritten) -> str:
    """A text of the compiler with the names of constructed types as they were written."""
    for name in made.types:
        text = text.replace(flat(name), name)
    return text


def _undeclared(found: re.Match[str]) -> str:
    """An unknown name told of as Go's compiler does.

    The library takes all of `a.b` for one and points at its last dot; at a type's beginning, where Go has its brace.
    """
    name, text, at = found["name"], found["text"], int(found["column"]) - 1
    outer = name.rpartition(".")[0]
    if text.startswith(f"{name}{{", at):
        at += len(name)
    elif outer and text.startswith(outer, at - len(outer)):
        at, name = at - len(outer), outer.split(".")[0]
    told = f"ERROR: <input>:{found['line']}:{at + 1}: undeclared reference to '{name}' (in container '')"
    return f"{told}\n | {text}\n | {'.' * at}^"


def type_name(name: str) -> str:
    """A type as Go's library prints it."""
    if name in ("NULL", "NULL_TYPE"):
        return "null_type"
    if (inner := re.fullmatch(r"(LIST|MAP)<(.*)>", name)) is not None:
        return f"{inner[1].lower()}({', '.join(map(type_name, inner[2].split(', ', 1)))})"
    return name.lower() if name.isupper() else name


def go_words(problem: str) -> str:
    """An evaluation's problem as Go's library words it."""
    if problem.startswith("No matching overloads"):
        return "no such overload"
    if problem.startswith("Key not found in map : "):
        return "no such key: " + problem.removeprefix("Key not found in map : ").strip('"')
    for pattern, wording in WORDINGS:
        if (found := pattern.fullmatch(problem)) is not None:
            return found.expand(wording)
    return problem


@functools.cache
def _configuration() -> Any:
    """The library's own extensions that it knows by name only."""
    from cel_expr_python import cel

    return cel.NewEnvConfigFromYaml("extensions:\n- name: lists\n- name: two-var-comprehensions\n")


@functools.cache
def _running() -> Any:
    from cel_expr_python import cel

    own = [
        cel.FunctionDecl(name, [
            cel.Overload(f"admission_{name}_{number}", result, takes, member, run)
            for number, (other, member, result, takes, run) in enumerate(functions.implementations(cel))
            if other == name
        ])
        for name in dict.fromkeys(name for name, *_ in functions.implementations(cel))
    ]  # fmt: skip
    variables = dict.fromkeys(NAMES, cel.Type.DYN)
    return cel.NewEnv(config=_configuration(), variables=variables, extensions=extensions(), functions=own)


@functools.lru_cache(maxsize=COMPILED)
def compiled(text: str) -> Checked:
    """Rewritten text, ready to be run."""
    try:
        made = _running().compile(text)
    except RuntimeError as error:
        raise RuleProblem(f"compilation failed: {words(error)}") from None
    serialized = made.serialize()
    if MAP_INSERT in serialized:  # which the library compiles and can't run
        raise RuleProblem("compilation failed: transformMap and transformMapEntry are not known to this API server")
    return Checked(made, serialized, made.return_type().name())


@functools.lru_cache(maxsize=64)
def _checking(
    scope: Scope, constructs: tuple[tuple[str, tuple[str, ...]], ...], variables: tuple[tuple[str, str], ...] | None
) -> Any:
    """The compiler of expressions with these names and types."""
    messages: dict[str, types.Fields] = {}
    if scope.patches:
        messages |= types.PATCHES
        messages |= types.constructed({name: frozenset(fields) for name, fields in constructs})
    return typed(scope, messages, variables)


def typed(
    scope: Scope, messages: Mapping[str, types.Fields], variables: Iterable[tuple[str, str]] | None,
    known: Mapping[str, str] = MappingProxyType({}),
) -> Any:  # fmt: skip
    """A compiler that knows these messages beside the standing ones; `known` says of which type a name is."""
    from cel_expr_python import cel

    kind = cel.Type
    names = {
        "object": kind.DYN, "oldObject": kind.DYN, "request": kind(types.REQUEST),
        "namespaceObject": kind(types.NAMESPACE),
    }  # fmt: skip
    if scope.params:
        names["params"] = kind.DYN
    if scope.authorizer:
        names["authorizer"] = kind(functions.AUTHORIZER)
        names["authorizer.requestResource"] = kind(functions.RESOURCE)
    every = {**types.STANDING, **messages}
    if variables is not None:
        every[types.VARIABLES] = dict(variables)
        names["variables"] = kind(types.VARIABLES)
    names |= {name: kind(known[name]) for name in known if name in names}
    return cel.NewEnv(
        descriptor_pool=types.pool(every), config=_configuration(), variables=names, extensions=extensions(),
        functions=_declared(cel, scope),
    )  # fmt: skip


def _declared(cel: Any, scope: Scope) -> list[Any]:
    """The functions of the authorizer by their own types; they are never run."""
    kind = cel.Type

    def named(name: str) -> Any:
        return {"bool": kind.BOOL, "string": kind.STRING}.get(name) or kind(name)

    found = [
        cel.FunctionDecl(name, [
            cel.Overload(f"checked_{name}_{number}", named(result), [named(of), *[kind.STRING] * count], True)
            for number, (of, count, result) in enumerate(overloads)
        ])
        for name, overloads in functions.SIGNATURES.items()
    ]  # fmt: skip
    if scope.patches:
        overload = cel.Overload("checked_escape_key", kind.STRING, [kind.STRING], False)
        found.append(cel.FunctionDecl("jsonpatch.escapeKey", [overload]))
    return found
