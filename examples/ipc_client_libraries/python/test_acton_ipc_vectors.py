"""The examples of the protocol's description, and its faults."""

# The tests need the standard library only, like the clients.
# ruff: noqa: PT009, PT027, SLF001

from __future__ import annotations

import ast
import json
import logging
import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import acton_ipc

FOLDER = Path(__file__).parent
VECTORS = FOLDER.parents[2] / "docs" / "wire-vectors.json"


def vectors(kind: str, *directions: str) -> list[dict[str, Any]]:
    """Return those with this key, in one of these directions."""
    known: list[dict[str, Any]] = json.loads(VECTORS.read_text("utf-8"))
    return [each for each in known if kind in each and each["direction"] in directions]


def read(data: bytes) -> list[acton_ipc._Frame]:
    """Return the frames in these bytes."""
    return list(acton_ipc._FrameReader().feed(data))


@unittest.skipUnless(VECTORS.exists(), "the description is not at hand")
class TestVectors(unittest.TestCase):
    """What is said there is read and written here."""

    def setUp(self) -> None:
        """Keep quiet about what is passed over."""
        logging.getLogger("acton_ipc").setLevel(logging.ERROR)
        self.addCleanup(logging.getLogger("acton_ipc").setLevel, logging.NOTSET)

    def test_every_frame_reads_as_described(self) -> None:
        """Header and body, whoever may send it and however it is cut."""
        known = vectors("body", "client to server", "server to client", "both")
        self.assertGreater(len(known), 20)
        for each in known:
            data = bytes.fromhex(each["hex"])
            if each["frame"]["format"] == 2 and acton_ipc._messagepack() is None:
                continue
            with self.subTest(each["name"]):
                (found,) = read(data)
                self.assertEqual(found.type, each["frame"]["type"])
                self.assertEqual(found.format, each["frame"]["format"])
                if found.type != 4:
                    body = acton_ipc._decode_body(found.format, found.data)
                    # Unknown keys are there, and looked at by nobody.
                    known_keys = {key: body.get(key) for key in each["body"]}
                    self.assertEqual(known_keys, each["body"])
                reader = acton_ipc._FrameReader()
                pieces = [list(reader.feed(bytes([byte]))) for byte in data]
                self.assertEqual(pieces[-1], [found])
                self.assertEqual(sum(map(len, pieces)), 1)

    def test_what_a_client_says_is_written_to_the_byte(self) -> None:
        """Our JSON is as compact as theirs."""
        known = vectors("body", "client to server", "both")
        for each in known:
            of_frame = each["frame"]
            if not each["canonical"] or of_frame["format"] == 2:
                continue
            with self.subTest(each["name"]):
                data = acton_ipc._encode_frame(
                    acton_ipc._Type(of_frame["type"]),
                    each["body"] or {},
                    of_frame["version"],
                    of_frame["format"],
                )
                self.assertEqual(data.hex(), each["hex"])

    def test_what_is_written_in_messagepack_reads_the_same(self) -> None:
        """A writer need not make the same bytes."""
        if acton_ipc._messagepack() is None:
            self.skipTest("no library for MessagePack")
        for each in vectors("body", "client to server"):
            with self.subTest(each["name"]):
                kind = acton_ipc._Type(each["frame"]["type"])
                data = acton_ipc._encode_frame(kind, each["body"], 2, 2)
                (found,) = read(data)
                body = acton_ipc._decode_body(found.format, found.data)
                self.assertEqual((found.format, body), (2, each["body"]))

    def test_faults_of_a_server_close_or_are_passed_over(self) -> None:
        """A header that is wrong ends the connection, a body does not."""
        known = vectors("closes", "server to client", "both")
        self.assertGreater(len(known), 3)
        for each in known:
            with self.subTest(each["name"]):
                talk = acton_ipc._Conversation(2)
                talk.receive(bytes.fromhex(each["hex"]))
                is_fault = isinstance(talk.failure, acton_ipc.ProtocolError)
                self.assertEqual(is_fault, each["closes"])
                self.assertIsNone(talk.unsent)

    def test_headers_of_clients_are_judged_in_the_same_order(self) -> None:
        """Which fault counts, of several, is the same on both sides."""
        for each in vectors("closes", "client to server"):
            data = bytes.fromhex(each["hex"])
            # Of a size between the two limits a client thinks otherwise.
            if not each["closes"] or "too large" in each["name"]:
                continue
            with self.subTest(each["name"]):
                with self.assertRaises(acton_ipc.ProtocolError) as caught:
                    read(data)
                words = str(caught.exception)
                for part in ("version", "type", "format"):
                    if f"{part} counts" in each["name"]:
                        self.assertIn(f"{part} 0x", words)


class TestBodies(unittest.TestCase):
    """What is JSON and what is not."""

    def test_only_json_objects_are_bodies(self) -> None:
        """Python reads more than that, and is kept from it."""
        for text in (
            b"",
            b"{",
            b"[]",
            b"null",
            b'{"a":1}}',
            b'{"a":1,}',
            b'{"a":NaN}',
            b'{"a":-Infinity}',
            b'{"a":"\\ud800"}',
            b'{"a":"\xff"}',
            b"\xef\xbb\xbf{}",
            '{"a":1}'.encode("utf-16"),
            b"[" * 100_000,
            b'{"a":' * 100_000,
        ):
            with self.subTest(text[:20]), self.assertRaises(ValueError):
                acton_ipc._decode_body(1, text)

    def test_the_last_of_two_keys_counts(self) -> None:
        """As everywhere in the protocol."""
        body = acton_ipc._decode_body(
            1, b' { "a" : 1 , "a" : "\\u00fc\\ud83d\\ude00" } '
        )

        self.assertEqual(body, {"a": "ü😀"})

    def test_broken_messagepack_is_no_body(self) -> None:
        """Whatever the library makes of it."""
        for data in (b"", b"\xc1", b"\x81", b"\x90", b"\xdf\xff\xff\xff\xff"):
            with self.subTest(data), self.assertRaises(ValueError):
                acton_ipc._decode_body(2, data)


class TestFile(unittest.TestCase):
    """The file that people copy."""

    def test_it_is_python_3_9(self) -> None:
        """So that it runs where no newer one is."""
        text = (FOLDER / "acton_ipc.py").read_text("utf-8")

        ast.parse(text, feature_version=(3, 9))

    @unittest.skipUnless(hasattr(sys, "stdlib_module_names"), "needs Python 3.10")
    def test_it_needs_the_standard_library_only(self) -> None:
        """So that copying it is all there is to do."""
        tree = ast.parse((FOLDER / "acton_ipc.py").read_text("utf-8"))
        names = {
            name
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [each.name for each in node.names]
            )
        }

        self.assertLessEqual({each.split(".")[0] for each in names}, STANDARD)


STANDARD = {"__future__", *getattr(sys, "stdlib_module_names", ())}


if __name__ == "__main__":
    unittest.main()
