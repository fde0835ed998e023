"""What upstreams and proxies before them send though they should not."""
import gzip

import grpc

from harness import IntegrationTest, chat_request, documents, route_yaml, seconds, stream, upstream_yaml
from raw_upstream import RawUpstream, chunked, head, sse

EVENTS = "Content-Type: text/event-stream"
JSON = "Content-Type: application/json"
LENGTH = "Content-Length: 10"
CHUNKED = "Transfer-Encoding: chunked"
HELLO = sse("Hello")


def refusal(body, status, *lines):
    return head(JSON, f"Content-Length: {len(body)}", *lines, status=status) + body


READ = {
    "length-and-chunked": head(EVENTS, LENGTH, CHUNKED) + chunked(HELLO),
    "chunked-and-length": head(EVENTS, CHUNKED, LENGTH) + chunked(HELLO),
    "chunked-twice": head(EVENTS, CHUNKED, CHUNKED) + chunked(HELLO),
    "no-reason": b"HTTP/1.1 200\r\n" + head(EVENTS, CHUNKED).partition(b"\r\n")[2] + chunked(HELLO),
    "bare-line-feeds": head(EVENTS).replace(b"\r\n", b"\n") + HELLO,
    "gzip": head(EVENTS, "Content-Encoding: gzip", CHUNKED) + chunked(gzip.compress(HELLO)),
}
REFUSED = {
    "redirect": head("Location: https://user:pass@elsewhere.test/v1/chat?key=value", LENGTH.replace("10", "0"),
                     status="307 Temporary Redirect"),
    "brotli": head(EVENTS, "Content-Encoding: br", CHUNKED) + chunked(b"\x1b\x0b"),
    "gzip-refusal": refusal(gzip.compress(b'{"error":{"message":"seed is not for you","param":"seed"}}'), "400 Bad",
                            "Content-Encoding: gzip"),
    "array-in-200": refusal(b'[{"error":{"code":429,"message":"gone","details":[{"retryDelay":"30s"}]}}]', "200 OK"),
    "again-in": refusal(b'{"error":{"message":"Rate limit reached. Please try again in 30.5s."}}', "429 Slow"),
}


class OddAnswers(IntegrationTest):
    def setUp(self):
        super().setUp()
        self.upstream = RawUpstream(READ | REFUSED)
        self.addCleanup(self.upstream.close)
        names = [*READ, *REFUSED]
        policies = [upstream_yaml(name, self.upstream.url(name)) for name in names]
        once = "retry: {max_attempts: 1}"
        policies += [route_yaml([name], name=name, extra=once) for name in names]
        self.server = self.data_plane(documents(*policies))
        self.stub = self.server.stub()

    def refused(self, name, code):
        answer = stream(self.stub, chat_request(model=name))
        self.assertEqual(answer.code, code, answer.error)
        return answer

    def test_what_is_clear_is_read(self):
        for name in READ:
            with self.subTest(name):
                self.ok(stream(self.stub, chat_request(model=name)), "Hello")

    def test_a_redirect_says_where_it_leads(self):
        answer = self.refused("redirect", grpc.StatusCode.UNAVAILABLE)
        self.assertIn("redirected (307) to https://elsewhere.test/v1/chat", answer.error.details())
        self.assertNotIn("pass", answer.error.details())
        self.assertNotIn("value", answer.error.details())

    def test_a_coding_that_is_not_known_is_named(self):
        answer = self.refused("brotli", grpc.StatusCode.UNAVAILABLE)
        self.assertIn("a content coding that was not asked for: br", answer.error.details())

    def test_a_compressed_refusal_is_readable_and_names_the_field(self):
        answer = self.refused("gzip-refusal", grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("seed is not for you", answer.error.details())
        self.assertIn("sampling.seed", answer.error.details())

    def test_an_error_in_a_list_in_a_200_is_its_kind(self):
        answer = self.refused("array-in-200", grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn("gone", answer.error.details())

    def test_a_time_told_in_words_is_told_on(self):
        answer = self.refused("again-in", grpc.StatusCode.RESOURCE_EXHAUSTED)
        delay = seconds(answer.details()["RetryInfo"].retry_delay)
        self.assertTrue(28 < delay <= 30.5, delay)
