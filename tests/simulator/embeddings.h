// Embeddings of the simulator: a vector that depends on nothing but its text,
// so that a test knows what must come.
#ifndef SLUICE_TESTS_SIMULATOR_EMBEDDINGS_H_
#define SLUICE_TESTS_SIMULATOR_EMBEDDINGS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::simulator {

struct EmbedCall {
  std::string model;
  std::vector<std::string> inputs;
  int dimensions = 8;
  bool base64 = false;  // encoding_format, as OpenAI's own library asks
  int prompt_tokens = 0;  // words of all inputs
};

// nullopt if `body` is no embeddings request; why in `problem`.
std::optional<EmbedCall> ParseEmbedCall(std::string_view body, std::string& problem);

// value[i] = ((sum of bytes + length · (i + 1)) mod 1000) ÷ 1000.
std::vector<float> EmbeddingOf(std::string_view text, int dimensions);

std::string EmbeddingsJson(const EmbedCall& call);

}  // namespace sluice::simulator

#endif  // SLUICE_TESTS_SIMULATOR_EMBEDDINGS_H_
