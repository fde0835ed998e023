#include "proto/metrics_server/http_answer.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace sluice {
namespace {

struct PathCase {
  const char* name;
  std::string target;
  std::string path;
};

class PathTest : public testing::TestWithParam<PathCase> {};

TEST_P(PathTest, IsWithoutHostAndQuery) { EXPECT_EQ(PathOf(GetParam().target), GetParam().path); }

INSTANTIATE_TEST_SUITE_P(All, PathTest,
                         testing::Values(PathCase{"Plain", "/metrics", "/metrics"},
                                         PathCase{"Query", "/metrics?a=/b", "/metrics"},
                                         PathCase{"Fragment", "/metrics#x", "/metrics"},
                                         PathCase{"Proxy", "http://host:9464/readyz", "/readyz"},
                                         PathCase{"ProxyRoot", "http://host:9464", "/"},
                                         PathCase{"UrlInQuery", "/x?to=http://y/metrics", "/x"},
                                         PathCase{"Star", "*", "*"}, PathCase{"Empty", "", ""}),
                         [](const auto& info) { return info.param.name; });

struct GzipCase {
  const char* name;
  std::string accept;
  bool taken;
};

class AcceptsGzipTest : public testing::TestWithParam<GzipCase> {};

TEST_P(AcceptsGzipTest, AsTheFieldSays) { EXPECT_EQ(AcceptsGzip(GetParam().accept), GetParam().taken); }

INSTANTIATE_TEST_SUITE_P(All, AcceptsGzipTest,
                         testing::Values(GzipCase{"Absent", "", false}, GzipCase{"Prometheus", "gzip", true},
                                         GzipCase{"AmongOthers", "deflate, GZIP;q=0.5, br", true},
                                         GzipCase{"Refused", "gzip;q=0", false},
                                         GzipCase{"RefusedAtLength", "br, gzip; q=0.000", false},
                                         GzipCase{"Others", "identity, br", false},
                                         GzipCase{"PartOfAWord", "xgzip", false},
                                         GzipCase{"OddWeight", "gzip;q=x", true}),
                         [](const auto& info) { return info.param.name; });

TEST(HttpAnswerTest, HeadIsGolden) {
  EXPECT_EQ(HeadOf({200, "ok\n"}, true),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
            "Cache-Control: no-store\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(HeadOf({405, "", "a/b", true}, false),
            "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: a/b\r\nContent-Length: 0\r\nCache-Control: no-store\r\n"
            "Content-Encoding: gzip\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n");
}

std::string Inflated(const std::string& gzipped, size_t most) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
  std::string out(most, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzipped.data()));
  stream.avail_in = static_cast<uInt>(gzipped.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(HttpAnswerTest, GzippedComesBackAsItWas) {
  std::string random;
  for (unsigned i = 0, x = 1; i < 100000; ++i) random.push_back(static_cast<char>((x = x * 1103515245 + 12345) >> 16));
  for (const std::string& text : {std::string(), std::string("ok\n"), std::string(1 << 20, 'x'), random}) {
    EXPECT_EQ(Inflated(Gzipped(text), text.size() + 1), text);
  }
  EXPECT_LT(Gzipped(std::string(1 << 20, 'x')).size(), 10000u);
}

}  // namespace
}  // namespace sluice
