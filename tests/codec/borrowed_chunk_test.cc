// What a thread keeps of a document for the next one.
#include <gtest/gtest.h>

#include <string>

#include "server/codec/openai_chunk.h"

namespace sluice {
namespace {

constexpr size_t kMost = 64 << 10;

// Parsed by a borrowed chunk; what the next borrower finds.
size_t KeptAfter(const std::string& json) {
  {
    BorrowedChunk chunk;
    EXPECT_TRUE(chunk->Parse(json)) << chunk->problem();
  }
  BorrowedChunk next;
  return next->kept_bytes();
}

std::string Choice(const std::string& content, const std::string& logprobs) {
  return R"({"choices":[{"index":0,"delta":{"content":")" + content + R"("},"logprobs":{"content":[)" + logprobs + "]}}]}";
}

TEST(BorrowedChunkTest, AUsualDocumentLeavesItsBuffers) {
  const size_t kept = KeptAfter(Choice("blue", ""));
  EXPECT_GT(kept, OpenAiChunk().kept_bytes());
  EXPECT_LE(kept, kMost);
}

TEST(BorrowedChunkTest, ALargeDocumentLeavesNone) {
  EXPECT_EQ(KeptAfter(Choice(std::string(100 << 10, 'x'), "")), OpenAiChunk().kept_bytes());
}

TEST(BorrowedChunkTest, ASmallDocumentOfManyElementsLeavesNone) {
  std::string logprobs = R"({"token":"a","logprob":-1})";
  while (logprobs.size() < 50'000) logprobs += R"(,{"token":"a","logprob":-1})";
  EXPECT_EQ(KeptAfter(Choice("blue", logprobs)), OpenAiChunk().kept_bytes());
}

TEST(BorrowedChunkTest, WhoBorrowsMeanwhileGetsOneOfHisOwn) {
  BorrowedChunk first, second;
  EXPECT_NE(&*first, &*second);
}

}  // namespace
}  // namespace sluice
