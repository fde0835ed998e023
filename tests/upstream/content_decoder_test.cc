// Bodies that come compressed though nobody asked, however they are cut.
#include "server/upstream/content_decoder.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace sluice {
namespace {

constexpr int kGzip = 15 + 16;
constexpr int kZlib = 15;
constexpr int kRaw = -15;

std::string Compress(const std::string& text, int window) {
  z_stream stream = {};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = text.size();
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = out.size();
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// "!" behind it: broken.
std::string Decode(std::string_view coding, std::string_view body, size_t step) {
  const auto decoder = ContentDecoder::For(coding);
  std::string out;
  for (size_t at = 0; at < body.size(); at += step) {
    decoder->Feed(body.substr(at, step));
    for (;;) {
      const auto result = decoder->Next();
      if (result == ContentDecoder::Result::kBroken) return out + "!";
      if (result == ContentDecoder::Result::kMore) break;
      EXPECT_FALSE(decoder->piece().empty());
      out += decoder->piece();
    }
  }
  return out;
}

const std::string kText = "data: {\"choices\": []}\n\ndata: {\"choices\": []}\n\ndata: [DONE]\n\n";

TEST(ContentDecoderTest, DecodesAnySplit) {
  struct Row {
    const char* coding;
    std::string body;
    std::string text;
  };
  for (const Row& row : {
           Row{"gzip", Compress(kText, kGzip), kText},
           Row{"X-GZip", Compress(kText, kGzip), kText},
           Row{"identity, gzip", Compress(kText, kGzip), kText},
           Row{"deflate", Compress(kText, kZlib), kText},
           Row{"deflate", Compress(kText, kRaw), kText},
           Row{"gzip", Compress("one ", kGzip) + Compress("two", kGzip), "one two"},
           Row{"gzip", Compress(kText, kGzip) + std::string(16, '\0'), kText},
           Row{"gzip", kText, kText},
           Row{"deflate", kText, kText},
           Row{"deflate", "{\"error\": 1}", "{\"error\": 1}"},
           Row{"gzip", Compress("", kGzip), ""},
       }) {
    for (size_t step = 1; step <= row.body.size(); ++step) {
      ASSERT_EQ(Decode(row.coding, row.body, step), row.text) << row.coding << " in steps of " << step;
    }
  }
}

TEST(ContentDecoderTest, GivesWhatCameBeforeACut) {
  const std::string body = Compress(kText, kGzip);
  const std::string text = Decode("gzip", std::string_view(body).substr(0, body.size() - 9), 7);
  EXPECT_EQ(text, kText.substr(0, text.size()));
  EXPECT_GT(text.size(), 0u);
}

TEST(ContentDecoderTest, BrokenIsBroken) {
  std::string body = Compress(kText, kGzip);
  body[body.size() / 2] ^= 0x55;
  for (const size_t step : {size_t{1}, size_t{5}, body.size()}) {
    EXPECT_EQ(Decode("gzip", body, step).back(), '!');
  }
}

TEST(ContentDecoderTest, ABombYieldsPieces) {
  const std::string bomb = Compress(std::string(64 << 20, '0'), kGzip);
  const auto decoder = ContentDecoder::For("gzip");
  decoder->Feed(bomb);
  size_t sum = 0;
  for (;;) {
    const auto result = decoder->Next();
    if (result != ContentDecoder::Result::kPiece) break;
    ASSERT_LE(decoder->piece().size(), size_t{16 << 10});
    sum += decoder->piece().size();
  }
  EXPECT_EQ(sum, size_t{64 << 20});
}

TEST(ContentDecoderTest, NamesWhatItDoesNotKnow) {
  EXPECT_EQ(ContentDecoder::For("identity"), nullptr);
  EXPECT_EQ(ContentDecoder::For("UTF-8"), nullptr);  // a charset in the wrong header
  EXPECT_EQ(ContentDecoder::For(""), nullptr);
  for (const char* coding : {"br", "zstd", "gzip, br", "gzip, gzip"}) {
    const auto decoder = ContentDecoder::For(coding);
    ASSERT_NE(decoder, nullptr);
    EXPECT_FALSE(decoder->knows());
    EXPECT_EQ(decoder->coding(), coding);
    decoder->Feed("\x1b\x02");
    EXPECT_EQ(decoder->Next(), ContentDecoder::Result::kMore);
  }
  EXPECT_TRUE(ContentDecoder::For("gzip")->knows());
}

}  // namespace
}  // namespace sluice
