"""H2Engine against the package h2 in the server's role, under any order of events (a stateful test).

Both sides write what they like and read what the other has written in any cut. Nobody may see an error; when all has
arrived, both agree on every head, octet and end, on the windows in both directions, on the number of open streams and
on HPACK's tables (RELIABILITY: models of windows, stream counts and table size).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from httpfast._cext.exchange import Exchange
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_sender import H2Stream

from .h2_octets import PREFACE, begun, exchange_for, frame, frames_of, goaway
from .hpack_blocks import Field

STREAM_WINDOW = 4 * 1024 * 1024
CONNECTION_WINDOW = 2**30
DROPPED = {b"host", b"transfer-encoding"}

names = st.text("abcdefgh-xyz0129_", min_size=1, max_size=12).map(str.encode) | st.sampled_from(
    [b"authorization", b"cookie", b"accept", b"user-agent", b"x-large"]
)
# Octets, or how many of them: so that a failure can be read.
values = (
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map(str.encode)
    | st.sampled_from([b"", b"a b", b"\xff\xfe", b"gzip, deflate"])
    | st.sampled_from([3000, 12000])
)
drawn_fields = st.lists(st.tuples(names, values), max_size=4)
sizes = st.sampled_from([0, 1, 10, 1000, 16384, 30000, 70000])
indices = st.integers(0, 99)


Drawn = list[tuple[bytes, bytes | int]]


def fields_of(drawn: Drawn) -> list[Field]:
    return [(name, b"\xe9" * value if isinstance(value, int) else value) for name, value in drawn]


@dataclass
class Talk:
    """One stream as both sides know it."""

    stream: H2Stream
    exchange: Exchange
    head: list[Field]
    request_body: bytes = b""
    has_request_end: bool = False
    is_given_up: bool = False
    is_refused: bool = False  # by our GOAWAY

    # What the server has seen.
    head_seen: list[Field] | None = None
    body_seen: bytes = b""
    has_seen_end: bool = False
    has_seen_reset: bool = False

    # What the server has said.
    status: int = 0
    fields_said: list[Field] = field(default_factory=list)
    body_said: bytes = b""
    trailers_said: list[Field] | None = None
    informational: list[tuple[int, list[Field]]] = field(default_factory=list)
    promised: int | None = None
    has_said_end: bool = False
    has_said_reset: bool = False

    # What the client has taken of the body.
    body_taken: bytes = b""

    @property
    def is_open_at_server(self) -> bool:
        return self.head_seen is not None and not (self.has_seen_reset or self.has_said_reset)

    @property
    def may_have_content(self) -> bool:
        return self.exchange.method != "HEAD" and self.status not in (204, 304)

    @property
    def is_whole(self) -> bool:
        """Nobody has broken it off."""
        return not (self.is_given_up or self.is_refused or self.has_said_reset or self.has_seen_reset)


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.engine = H2Engine()
        self.server = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=False,
                header_encoding=False,
                normalize_inbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.to_server: list[bytes] = []
        self.to_client = b""
        self.talks: dict[int, Talk] = {}
        self.goaway_last: int | None = None
        self.unacknowledged = True
        self.is_settled = False

    @initialize(window=st.sampled_from([0, 1, 100, 65535, 200000]), streams=st.sampled_from([1, 3, 100]))
    def open(self, window: int, streams: int) -> None:
        self.server.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window,
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: streams,
            },
        )
        self.server.initiate_connection()
        self.engine.open()
        self.server.receive_data(PREFACE)
        self.collect()
        # Before it has read how many streams the server takes, a client may open more.
        self.deliver_to_client(10**9)

    # The wires

    def collect(self) -> None:
        """What both sides have to write is on its way."""
        for kind, flags, stream_id, payload in frames_of(self.engine.take_output()):
            self.to_server.append(frame(kind, payload, stream_id, flags))
        self.to_client += self.server.data_to_send()
        self.is_settled = False

    def deliver_to_server(self, size: int) -> None:
        """h2 learns of a frame size that was acknowledged with its next read only: it gets one frame a read at most."""
        while size > 0 and self.to_server:
            octets, rest = self.to_server[0][:size], self.to_server[0][size:]
            self.to_server[:1] = [rest] if rest else []
            size -= len(octets)
            for event in self.server.receive_data(octets):
                self.note(event)
        self.collect()

    def deliver_to_client(self, size: int) -> None:
        octets, self.to_client = self.to_client[:size], self.to_client[size:]
        if octets:
            self.engine.receive_octets(octets)
        self.collect()

    def note(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            assert event.stream_id is not None
            self.talks[event.stream_id].head_seen = [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, h2.events.DataReceived):
            assert event.stream_id is not None
            self.talks[event.stream_id].body_seen += event.data or b""
        elif isinstance(event, h2.events.StreamEnded):
            assert event.stream_id is not None
            self.talks[event.stream_id].has_seen_end = True
        elif isinstance(event, h2.events.SettingsAcknowledged):
            self.unacknowledged = False
        elif isinstance(event, h2.events.StreamReset):
            self.talks[event.stream_id].has_seen_reset = True
        else:
            assert not isinstance(event, h2.events.ConnectionTerminated)

    def pick(self, index: int, found: list[Talk]) -> Talk:
        return found[index % len(found)]

    # What the client does

    @precondition(lambda self: self.engine.streams_left() > 0)
    @rule(
        method=st.sampled_from(["GET", "HEAD", "POST", "DELETE"]),
        path=st.sampled_from(["/", "/a?b=c", "/" + "x" * 300]),
        fields=drawn_fields,
        size=st.none() | sizes,
        collect=st.booleans(),
    )
    def request(self, method: str, path: str, fields: Drawn, size: int | None, collect: bool) -> None:
        in_pieces = method == "POST" and size is None
        content = b"r" * min(size or 0, 60000) if method == "POST" else None
        exchange = exchange_for(method, path, fields_of(fields), content, pieces=in_pieces, collect=collect)
        stream = begun(self.engine, exchange)
        self.talks[stream.id] = Talk(
            stream,
            exchange,
            [
                (b":method", method.encode()),
                (b":scheme", b"https"),
                (b":authority", b"www.example.com"),
                (b":path", path.encode()),
                *((lower, value) for _, lower, value in exchange.fields_sent if lower not in DROPPED),
            ],
            request_body=content or b"",
            has_request_end=not in_pieces,
            is_refused=self.goaway_last is not None,
        )
        self.collect()

    def writable(self) -> list[Talk]:
        return [
            talk
            for talk in self.talks.values()
            if not (talk.has_request_end or talk.stream.has_unsent or talk.is_given_up)
            and talk.exchange.error is None
            and not talk.exchange.is_complete
        ]

    @precondition(lambda self: self.writable())
    @rule(index=indices, size=sizes, end=st.booleans())
    def write(self, index: int, size: int, end: bool) -> None:
        talk = self.pick(index, self.writable())
        octets = bytes([len(talk.request_body) % 251]) * size
        self.engine.write_body(talk.stream, octets)
        talk.request_body += octets
        if end:
            self.engine.finish_body(talk.stream)
            talk.has_request_end = True
        self.collect()

    def running(self) -> list[Talk]:
        return [
            talk
            for talk in self.talks.values()
            if not (talk.exchange.is_complete or talk.is_given_up or talk.exchange.error is not None)
        ]

    @precondition(lambda self: len(self.running()) > 2)
    @rule(index=indices)
    def give_up(self, index: int) -> None:
        talk = self.pick(index, self.running())
        self.engine.give_up(talk.stream)
        talk.is_given_up = True
        self.collect()

    @precondition(lambda self: self.running())
    @rule(index=indices)
    def take(self, index: int) -> None:
        talk = self.pick(index, self.running())
        if not talk.exchange.collect:
            talk.body_taken += talk.exchange.take_body()

    # What the server does

    def answerable(self, *, begun: bool) -> list[Talk]:
        return [
            talk
            for talk in self.talks.values()
            if talk.is_open_at_server and not talk.has_said_end and (talk.status != 0) is begun
        ]

    @precondition(lambda self: self.answerable(begun=False))
    @rule(index=indices, status=st.sampled_from([102, 103]), fields=drawn_fields)
    def inform(self, index: int, status: int, fields: Drawn) -> None:
        talk = self.pick(index, self.answerable(begun=False))
        if len(talk.informational) < 32:
            said = self.allowed(fields)
            self.server.send_headers(talk.stream.id, [(b":status", b"%d" % status), *said])
            talk.informational.append((status, said))
            self.collect()

    def allowed(self, fields: Drawn) -> list[Field]:
        """32 of these fit into the client's limit, of which h2 knows nothing."""
        return [(name, value) for name, value in fields_of(fields) if len(value) < 2000]

    @precondition(lambda self: self.running())
    @rule(
        index=indices,
        status=st.sampled_from([200, 200, 200, 204, 302, 304, 404, 500]),
        fields=drawn_fields,
        promised=st.none() | st.sampled_from([0, 1, 1000, 40000]),
        end=st.booleans(),
    )
    def respond(self, index: int, status: int, fields: Drawn, promised: int | None, end: bool) -> None:
        if not self.answerable(begun=False):
            self.deliver_to_server(10**9)
        if not self.answerable(begun=False):
            return
        talk = self.pick(index, self.answerable(begun=False))
        said = fields_of(fields)
        talk.status = status
        if promised is not None and talk.may_have_content:
            said.append((b"content-length", b"%d" % promised))
            talk.promised = promised
            end = end and promised == 0
        self.server.send_headers(talk.stream.id, [(b":status", b"%d" % status), *said], end_stream=end)
        talk.fields_said = said
        talk.has_said_end = end
        self.collect()

    @precondition(lambda self: self.answerable(begun=True))
    @rule(index=indices, size=sizes, padding=st.none() | st.integers(0, 255), end=st.booleans())
    def say(self, index: int, size: int, padding: int | None, end: bool) -> None:
        talk = self.pick(index, self.answerable(begun=True))
        stream_id = talk.stream.id
        extra = 0 if padding is None else padding + 1
        room = min(self.server.local_flow_control_window(stream_id), self.server.max_outbound_frame_size) - extra
        left = None if talk.promised is None else talk.promised - len(talk.body_said)
        size = min(size if talk.may_have_content else 0, max(room, 0))
        if left is not None:
            size = min(size, left)
            end = end and size == left
        if room < 0:
            return
        octets = bytes([len(talk.body_said) % 251]) * size
        self.server.send_data(stream_id, octets, end_stream=end, pad_length=padding)
        talk.body_said += octets
        talk.has_said_end = end
        self.collect()

    @precondition(lambda self: self.answerable(begun=True))
    @rule(index=indices, fields=drawn_fields)
    def say_trailers(self, index: int, fields: Drawn) -> None:
        talk = self.pick(index, self.answerable(begun=True))
        if talk.promised is not None and talk.promised != len(talk.body_said):
            return
        talk.trailers_said = [*fields_of(fields), (b"checksum", b"1")]
        self.server.send_headers(talk.stream.id, talk.trailers_said, end_stream=True)
        talk.has_said_end = True
        self.collect()

    @precondition(lambda self: len(self.answerable(begun=True) + self.answerable(begun=False)) > 1)
    @rule(index=indices, code=st.sampled_from([0, 2, 7, 8, 11]))
    def reset(self, index: int, code: int) -> None:
        talk = self.pick(index, self.answerable(begun=True) + self.answerable(begun=False))
        self.server.reset_stream(talk.stream.id, error_code=code)
        talk.has_said_reset = True
        self.collect()

    # h2 takes an acknowledgement for one of all changes that wait for theirs: so there is one at a time.
    @precondition(lambda self: not self.unacknowledged)
    @rule(
        table=st.none() | st.sampled_from([0, 100, 4096, 10000]),
        window=st.none() | st.sampled_from([0, 50, 65535, 300000]),
        frame_size=st.none() | st.sampled_from([16384, 20000, 100000]),
        streams=st.none() | st.sampled_from([0, 1, 3, 100]),
    )
    def change_settings(
        self, table: int | None, window: int | None, frame_size: int | None, streams: int | None
    ) -> None:
        codes = h2.settings.SettingCodes
        wanted = {
            codes.HEADER_TABLE_SIZE: table,
            codes.INITIAL_WINDOW_SIZE: window,
            codes.MAX_FRAME_SIZE: frame_size,
            codes.MAX_CONCURRENT_STREAMS: streams,
        }
        self.unacknowledged = True
        self.server.update_settings({code: value for code, value in wanted.items() if value is not None})
        self.collect()

    @rule(index=indices, size=st.sampled_from([0, 1, 100, 50000, 1000000]))
    def grant_or_ping(self, index: int, size: int) -> None:
        found = [talk for talk in self.talks.values() if talk.is_open_at_server and not talk.has_seen_end]
        if not size:
            self.server.ping(b"12345678")
        elif found and index % 3:
            self.server.increment_flow_control_window(size, self.pick(index, found).stream.id)
        else:
            self.server.increment_flow_control_window(size)
        self.collect()

    @precondition(lambda self: self.goaway_last is None and len(self.talks) > 6)
    @rule()
    def go_away(self) -> None:
        """The package h2 can say nothing after GOAWAY: so it is put behind what it has said."""
        seen = [number for number, talk in self.talks.items() if talk.head_seen is not None]
        self.goaway_last = max(seen, default=0)
        self.to_client += goaway(self.goaway_last)
        for number, talk in self.talks.items():
            talk.is_refused = number > self.goaway_last

    # Delivery

    @precondition(lambda self: self.to_server)
    @rule(size=st.sampled_from([1, 9, 10, 100, 5000, 10**9]))
    def server_reads(self, size: int) -> None:
        self.deliver_to_server(size)

    @precondition(lambda self: self.to_client)
    @rule(size=st.sampled_from([1, 8, 9, 10, 100, 5000, 10**9]))
    def client_reads(self, size: int) -> None:
        self.deliver_to_client(size)

    @rule()
    def settle(self) -> None:
        """Everything arrives."""
        while self.to_server or self.to_client:
            self.deliver_to_server(10**9)
            self.deliver_to_client(10**9)
        self.is_settled = True
        self.check_settled()

    # What holds

    @invariant()
    def nobody_has_seen_an_error(self) -> None:
        assert not self.engine.is_dead
        for talk in self.talks.values():
            assert talk.exchange.error is None or not talk.is_whole

    @invariant()
    def octets_arrive_as_they_were_sent(self) -> None:
        for talk in self.talks.values():
            assert talk.head_seen in (None, talk.head)
            assert talk.request_body.startswith(talk.body_seen)

    def check_settled(self) -> None:
        for talk in self.talks.values():
            self.check_exchange(talk)
        self.check_windows()
        self.check_counts()
        self.check_tables()

    def check_exchange(self, talk: Talk) -> None:
        exchange = talk.exchange
        if not exchange.collect:
            talk.body_taken += exchange.take_body()
        body = talk.body_taken if not exchange.collect else b""
        if talk.has_said_reset and not (talk.is_given_up or talk.has_said_end):
            assert exchange.error is not None
        if not talk.is_whole:
            assert talk.body_said.startswith(body)
            return
        assert talk.head_seen == talk.head
        assert exchange.informational == (talk.informational or None)
        assert exchange.status_code == talk.status
        assert exchange.fields == talk.fields_said
        assert exchange.trailers == talk.trailers_said
        assert exchange.is_complete is talk.has_said_end
        if exchange.collect:
            assert exchange.unread_bytes == len(talk.body_said)
        else:
            assert body == talk.body_said
        if exchange.is_complete and exchange.collect:
            assert exchange.take_body() == talk.body_said
            talk.body_said = b""
        if talk.has_request_end and not talk.stream.has_unsent:
            assert talk.body_seen == talk.request_body
            assert talk.has_seen_end
            assert talk.stream.is_sent

    def is_open(self, talk: Talk) -> bool:
        """A stream that neither side has closed."""
        return talk.is_whole and not talk.exchange.is_complete

    def check_windows(self) -> None:
        can_send, used = self.engine.windows()
        assert can_send == self.server.inbound_flow_control_window
        assert CONNECTION_WINDOW - used == self.server.outbound_flow_control_window
        for number, talk in self.talks.items():
            if self.is_open(talk):
                theirs: Any = self.server.streams[number]
                can_send, used = self.engine.windows(talk.stream)
                assert can_send == theirs.inbound_flow_control_window
                assert STREAM_WINDOW - used == theirs.outbound_flow_control_window
                assert talk.stream.has_unsent is (talk.body_seen != talk.request_body)
                if talk.stream.has_unsent:
                    assert min(can_send, self.server.inbound_flow_control_window) <= 0

    def check_counts(self) -> None:
        assert self.engine.max_streams == self.server.local_settings.max_concurrent_streams
        still = sum(map(self.is_open, self.talks.values()))
        if self.goaway_last is None:  # of which h2 has not heard
            assert self.server.open_inbound_streams == still
        room = 0 if self.goaway_last is not None else max(self.engine.max_streams - still, 0)
        assert self.engine.streams_left() == room

    def check_tables(self) -> None:
        encoder, decoder = self.engine.tables()
        theirs = [tuple(map(bytes, entry)) for entry in self.server.decoder.header_table.dynamic_entries]
        # A change of the size is known to their decoder only with our next block.
        assert theirs[: len(encoder.entries_by_index)] == list(encoder.entries_by_index)
        assert encoder.max_size <= self.server.local_settings.header_table_size
        theirs = [tuple(map(bytes, entry)) for entry in self.server.encoder.header_table.dynamic_entries]
        assert list(decoder.entries_by_index) == theirs

    def teardown(self) -> None:
        if self.talks:
            self.settle()


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
