"""A running `envfarm serve`, and its REST API as a trainer uses it."""

import json
import subprocess
import tempfile
import urllib.error
import urllib.request


class Server:
    """`envfarm serve` on a port of its own, for the length of a `with`."""

    def __init__(self, program, envs, *options):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(program), "serve", "--port", "0", "--envs", str(envs), *options], stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.process.wait()
            self.log.seek(0)
            raise RuntimeError(f"envfarm serve didn't start: {line}{self.log.read()}")
        self.url = line.removeprefix("listening on ").strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=30)
        self.log.close()

    def get(self, path):
        return self.send("GET", path)

    def post(self, path, body):
        return self.send("POST", path, body)

    def send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def create(self, environment, task):
        """A new episode."""
        return self.post("/episodes", {"environment": environment, "task": task})["episodes"][0]
