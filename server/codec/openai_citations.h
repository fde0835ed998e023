// Sources that an answer names, in the forms that servers of the OpenAI format
// have for them: annotations of a message (OpenAI, OpenRouter), lists of URLs or
// search results beside the choices (Perplexity, xAI), references among the parts
// of a text (Mistral), a context (Azure). Pure; one for each choice that has some.
#ifndef SLUICE_SERVER_CODEC_OPENAI_CITATIONS_H_
#define SLUICE_SERVER_CODEC_OPENAI_CITATIONS_H_

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "server/codec/openai_delta.h"
#include "server/codec/stream_event.h"

namespace sluice {

// What the value of such a field says; what has another form says nothing.
std::vector<CitationValue> ReadOpenAiCitations(std::string_view key, std::string_view json);

class OpenAiCitations {
 public:
  // More than any answer names; beyond, they come as extras only.
  static constexpr size_t kMaxTold = 1024;

  // `max_bytes` bounds what is kept.
  explicit OpenAiCitations(size_t max_bytes) : max_bytes_(max_bytes) {}

  // Fields of one chunk. What says no more than what came before is left out: many
  // servers repeat the list in every chunk.
  void Add(const std::vector<OpenAiMember>& fields);
  void AddValues(std::vector<CitationValue> values);

  bool waits() const { return taken_ < told_.size(); }
  // Those that were not taken yet.
  std::vector<CitationValue> Take();

 private:
  bool IsNews(const OpenAiMember& field);

  const size_t max_bytes_;
  size_t bytes_ = 0;
  std::vector<CitationValue> told_;
  size_t taken_ = 0;
  // Fields, and what each said last.
  std::vector<std::pair<uint64_t, uint64_t>> said_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_CITATIONS_H_
