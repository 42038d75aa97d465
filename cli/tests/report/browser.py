"""Opens a page in Chromium, looks at it in each colour and width, and steps through it by keyboard.

Usage: browser.py CHROMIUM PAGE.html DIRECTORY

Screenshots go to the directory; what was seen is printed as one JSON object. Needs nothing but
Python: it speaks the DevTools protocol through Chromium's own pipe.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
]


class Chromium:
    """A browser that is told what to do, and whose events are kept."""

    def __init__(self, program, profile):
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()

        def ends():
            # Chromium reads commands from 3 and writes answers to 4; dup makes sure that
            # neither is overwritten before it is copied.
            both = os.dup(commands), os.dup(answers)
            high = [os.dup(os.dup(fd)) for fd in both]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=ends,
        )
        os.close(commands)
        os.close(answers)
        self.read = b""
        self.number = 0
        self.events = []
        self.session = None

    def message(self):
        while b"\0" not in self.read:
            piece = os.read(self.answers, 1 << 16)
            if not piece:
                raise EOFError("Chromium has ended")
            self.read += piece
        message, self.read = self.read.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def key(self, key, code):
        text = {"Enter": "\r"}.get(key, "")
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def open(self, address):
        self.events = [it for it in self.events if it.get("method") != "Page.loadEventFired"]
        self.call("Page.navigate", url=address)
        self.wait("Page.loadEventFired")

    def complaints(self):
        """Errors and warnings of the console, and scripts that failed."""
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Log.entryAdded":
                found.append(params["entry"]["text"])
            elif event.get("method") == "Runtime.exceptionThrown":
                found.append(json.dumps(params["exceptionDetails"]))
            elif event.get("method") == "Runtime.consoleAPICalled":
                found.append(json.dumps(params["args"]))
        return found

    def requests(self):
        """Everything that was loaded."""
        sent = [it for it in self.events if it.get("method") == "Network.requestWillBeSent"]
        return [it["params"]["request"]["url"] for it in sent]


STATE = """(() => {
  const row = document.querySelector('#list tr.now');
  const cursor = document.querySelector('line.cursor');
  return {
    value: document.getElementById('step').value,
    said: document.getElementById('step').getAttribute('aria-valuetext'),
    row: row && row.cells[0].textContent,
    shown: document.querySelector('#state dd').textContent,
    cursor: cursor.getAttribute('visibility') + ' ' + cursor.getAttribute('x1'),
    at: row && row.dataset.x,
  };
})()"""


def look(browser, address, directory, seen):
    for scheme in ["light", "dark"]:
        for width in [1280, 400]:
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.call("Emulation.setEmulatedMedia", features=features)
            browser.call(
                "Emulation.setDeviceMetricsOverride",
                width=width, height=900, deviceScaleFactor=1, mobile=False,
            )
            browser.open(address)
            size = browser.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], 12_000), "scale": 1}
            shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
            name = f"{scheme}-{width}.png"
            (directory / name).write_bytes(base64.b64decode(shot["data"]))
            seen["views"].append({
                "name": name,
                "wide": browser.value("document.documentElement.scrollWidth"),
                "width": width,
                "background": browser.value("getComputedStyle(document.body).backgroundColor"),
            })


def step(browser, seen):
    browser.value("document.getElementById('step').focus()")
    for name, key, code in [
        ("start", None, 0),
        ("right", "ArrowRight", 39),
        ("right again", "ArrowRight", 39),
        ("left", "ArrowLeft", 37),
        ("end", "End", 35),
        ("home", "Home", 36),
    ]:
        if key:
            browser.key(key, code)
        seen["steps"].append({"key": name, **browser.value(STATE)})


def reach(browser, seen):
    browser.value("document.querySelector('.skip').focus()")
    for _ in range(400):
        browser.key("Tab", 9)
        at = browser.value(
            "(({id, tagName, ariaLabel}) => [tagName, id, ariaLabel].filter(Boolean).join(' '))"
            "(document.activeElement)"
        )
        if at.startswith("BODY"):
            break
        seen["reached"].append(at)
    browser.value("document.getElementById('theme').focus()")
    before = browser.value("getComputedStyle(document.body).backgroundColor")
    browser.key("Enter", 13)
    after = browser.value("getComputedStyle(document.body).backgroundColor")
    seen["toggled"] = before != after


def without_scripts(browser, address, seen):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(address)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    seen["without_scripts"] = browser.value(
        "({stepper: document.getElementById('stepper').checkVisibility(),"
        " rows: document.querySelectorAll('#list tr[data-x]').length,"
        " drawings: document.querySelectorAll('svg[role=img]').length})"
    )
    printed = browser.call("Page.printToPDF", printBackground=False)
    seen["printed_bytes"] = len(base64.b64decode(printed["data"]))


def main():
    program, page, directory = sys.argv[1:]
    address = Path(page).resolve().as_uri()
    seen = {"views": [], "steps": [], "reached": []}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Chromium(program, profile)
        try:
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
            browser.session = attached["sessionId"]
            for domain in ["Page", "Runtime", "Log", "Network"]:
                browser.call(f"{domain}.enable")
            look(browser, address, Path(directory), seen)
            step(browser, seen)
            reach(browser, seen)
            without_scripts(browser, address, seen)
            seen["complaints"] = browser.complaints()
            seen["requests"] = sorted(set(browser.requests()) - {address, "about:blank"})
            browser.session = None
            browser.call("Browser.close")
        finally:
            try:
                browser.process.wait(10)
            except subprocess.TimeoutExpired:
                browser.process.kill()
    print(json.dumps(seen))


main()
