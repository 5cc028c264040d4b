"""Is the code in memory that of a source? Functions, methods and constants of a loaded module, one by one."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator
from types import CodeType, ModuleType
from typing import Any

HAS_DOCSTRING: int = getattr(inspect, "CO_HAS_DOCSTRING", 0)  # a flag of code since Python 3.14
BY_TORCH = ("__torch_dispatch__", "__torch_function__")  # methods that torch decorates by itself


def differences(module: ModuleType, source: str) -> list[str]:
    """Names of functions, methods and constants of a loaded module that are not those of `source`.

    Docstrings, comments and places in the file do not count, nor the defaults of arguments. A decorated
    function is looked for behind its decorators. Of constants those in capitals that are numbers, texts or
    tuples are compared.

    >>> from lglib.base import files
    >>> differences(files, inspect.getsource(files).replace("exist_ok=True", "exist_ok=False"))
    ['write_atomically']
    """
    tree = ast.parse(source)
    decorated = {name for name, node in _definitions(tree) if node.decorator_list}
    wanted: dict[str, list[Any]] = {}
    for function in _functions(compile(source, module.__file__ or "", "exec", dont_inherit=True)):
        wanted.setdefault(function.co_qualname, []).append(_essence(function))
    wrong = []
    for name, candidates in wanted.items():
        found = _find(module, name)
        code = _code(found, name in decorated or name.rpartition(".")[2] in BY_TORCH)
        hidden = (
            code is None and found is not None and name in decorated
        )  # behind a decorator, not to be seen
        if not hidden and (code is None or _essence(code) not in candidates):
            wrong.append(name)
    constants = dict(_constants(tree))
    return wrong + [k for k, v in constants.items() if repr(getattr(module, k, None)) != repr(v)]


def _definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", node
        elif not isinstance(node, ast.expr):
            yield from _definitions(node, prefix)


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Functions and methods defined by a module or class body, but not those within functions."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and not inner.co_name.startswith("<"):
            if inner.co_flags & inspect.CO_OPTIMIZED:
                yield inner
            else:  # the body of a class
                yield from _functions(inner)


def _find(module: ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
    return found


def _code(found: Any, decorated: bool) -> CodeType | None:
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    elif isinstance(found, property):
        found = found.fget
    elif isinstance(found, functools.cached_property):
        found = found.func
    if decorated and callable(found):
        found = inspect.unwrap(found)
    return getattr(found, "__code__", None)


def _essence(code: CodeType) -> Any:
    """What a function does: its code without docstring, names of files and numbers of lines."""
    constants = code.co_consts
    # before Python 3.14 the first constant is the docstring, or None
    told = not HAS_DOCSTRING or code.co_flags & HAS_DOCSTRING
    if told and constants and isinstance(constants[0], str) and code.co_flags & inspect.CO_OPTIMIZED:
        constants = (None, *constants[1:])  # the docstring
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags & ~HAS_DOCSTRING,
    )
    return (code.co_name, code.co_code, names, counts, tuple(map(_constant, constants)))


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _essence(value)
    if isinstance(value, tuple):
        return tuple(map(_constant, value))
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return type(value).__name__, repr(value)


def _constants(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and len(targets) == 1:
            try:
                value = ast.literal_eval(node.value)
            except (ValueError, TypeError):
                continue  # computed
            plain = isinstance(value, bool | int | float | str | tuple)
            if isinstance(targets[0], ast.Name) and targets[0].id.isupper() and plain:
                yield targets[0].id, value
